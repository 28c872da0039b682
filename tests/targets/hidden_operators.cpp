// A library whose operators new and delete nobody sees: -static-libstdc++, and a version script that hides them.
struct Thing {
    long words[4] = {1, 2, 3, 4};
};

extern "C" __attribute__((visibility("default"))) Thing *hidden_make() { return new Thing; }
extern "C" __attribute__((visibility("default"))) void hidden_drop(Thing *thing) { delete thing; }
