use std::collections::HashMap;
struct Node { name: String, next: Option<Box<Node>> }
fn list(n: usize) -> Option<Box<Node>> { if n == 0 { None } else { Some(Box::new(Node { name: format!("node {}", n), next: list(n - 1) })) } }
fn main() {
    let kept = list(100);
    std::mem::forget(kept);
    let mut map: HashMap<String, Vec<u32>> = HashMap::new();
    for i in 0..1000u32 { map.entry(format!("k{}", i % 50)).or_insert_with(Vec::new).push(i); }
    println!("{}", map.len());
}
