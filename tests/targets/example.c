/* The example of the README: ten bytes that are never freed, and a write far behind them. */
#include <stdlib.h>

int main(void)
{
    char *volatile block = malloc(10); /* block: malloc 10 */
    block[0xffffff] = 1;               /* fatal: SIGSEGV */
    return 0;
}
