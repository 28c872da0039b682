/* A library with a string constant, for crashes.c. */
const char *const library_string = "a string constant of a library";

void library_write(char *at) { *at = 'x'; /* crash: library */ }
