/* A plug-in that keeps 77 bytes, and is closed. */
#include <stdlib.h>

void *volatile plugin_kept;

void plugin_leak(void) { plugin_kept = malloc(77); /* block: malloc 77 */ }
