/* A little of everything that the report shows: a cache that grows, a saw-tooth, a lost list, objects with virtual functions, temporary
 * strings in named threads, two snapshots; with the argument "errors" wrong frees, with "crash" a write behind a block. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "../../src/crunch.h"

namespace {

struct Shape {
    virtual ~Shape() {}
    virtual double area() const = 0;
};

struct Circle : Shape {
    double radius = 2.5;
    double area() const override { return 3.14 * radius * radius; }
};

struct Square : Shape {
    double side = 3;
    Shape *inside = nullptr;
    double area() const override { return side * side; }
};

struct Node {
    Node *next;
    char name[24];
    int number;
};

std::map<std::string, std::vector<int>> *cache;
Square *picture;
void *kept_by_threads[2];

void fill_cache(int from, int count)
{
    for (int i = from; i < from + count; i++)
        (*cache)["a key that is too long for the small buffer " + std::to_string(i)].assign(i % 50 + 10, i);
}

Node *make_list(int count)
{
    Node *head = nullptr;
    for (int i = 0; i < count; i++) {
        Node *node = static_cast<Node *>(malloc(sizeof *node));
        node->next = head;
        snprintf(node->name, sizeof node->name, "node number %d", i);
        node->number = i;
        head = node;
    }
    return head;
}

void churn(int count)
{
    for (int i = 0; i < count; i++) {
        std::string text(i % 700 + 20, 'x');
        *const_cast<volatile char *>(&text[3]) = 'y';
    }
}

void draw()
{
    picture = new Square;
    picture->inside = new Circle;
}

void wrong_frees()
{
    char *volatile twice = static_cast<char *>(malloc(48));
    free(twice);
    free(twice);
    int *volatile numbers = new int[10];
    delete numbers;
    free(reinterpret_cast<char *>(picture) + 8);
}

void worker(const char *name)
{
#ifdef __APPLE__
    pthread_setname_np(name);
#else
    pthread_setname_np(pthread_self(), name);
#endif
    churn(5000);
    void *kept = malloc(1000);
    memset(kept, 'k', 1000);
    kept_by_threads[name[0] == 'p'] = kept;
}

}  // namespace

int main(int argc, char **argv)
{
    cache = new std::map<std::string, std::vector<int>>;
    Node *volatile lost = make_list(300);
    lost = nullptr;
    draw();
    std::thread parser(worker, "parser"), writer(worker, "writer");
    for (int i = 0; i < 20; i++) {
        fill_cache(i * 40, 40);
        if (i == 4 || i == 14)
            crunch_snapshot(i == 4 ? "early" : "late");
        void *volatile buffer = calloc(1, 200000);
        usleep(3000);
        free(buffer);
    }
    parser.join();
    writer.join();
    if (argc > 1 && strcmp(argv[1], "errors") == 0)
        wrong_frees();
    if (argc > 1 && strcmp(argv[1], "crash") == 0) {
        char *volatile block = static_cast<char *>(malloc(10));
        block[0xffffff] = 1;
    }
    return 0;
}
