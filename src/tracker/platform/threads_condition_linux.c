/* threads_condition_linux.c - see threads_linux.h. */
#include "platform/threads_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/banned.h"

/* ---- registers ---- */

#if defined(__x86_64__)

CR_UNSEEN void cr_os_read_context(const void *context, struct cr_os_registers *registers)
{
    static const int place[16] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    const greg_t *word = ((const ucontext_t *)context)->uc_mcontext.gregs;
    for (unsigned i = 0; i < CR_OS_REGISTER_WORDS; i++)
        registers->word[i] = i < 16 ? (uintptr_t)word[place[i]] : 0;
    registers->pc = (uintptr_t)word[REG_RIP];
    registers->sp = (uintptr_t)word[REG_RSP];
    registers->fp = (uintptr_t)word[REG_RBP];
    registers->whole = true;
}

CR_UNSEEN bool cr_registers_cut_short(const struct cr_os_registers *registers)
{
    uint8_t instruction[2];
    return registers->word[0] == (uintptr_t)-EINTR && cr_os_read_memory(registers->pc - 2, instruction, 2) == 2 &&
           !memcmp(instruction, "\x0f\x05", 2);
}

CR_UNSEEN bool cr_context_repeat(void *context)
{
    greg_t *word = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct cr_call call = {.number = 0};
    uint8_t code[7];
    uint32_t number;
    bool known = cr_os_read_memory((uintptr_t)word[REG_RIP] - sizeof code, code, sizeof code) == sizeof code &&
                 code[0] == 0xb8 && code[5] == 0x0f && code[6] == 0x05; /* mov $number, %eax; syscall */
    memcpy(&number, &code[1], sizeof number);
    call.number = (long)number;
    call.argument[3] = 1;
    if (!known || !cr_call_never_restarts(&call))
        return false;
    word[REG_RAX] = (greg_t)number;
    word[REG_RIP] -= 2;
    return true;
}

#else

CR_UNSEEN void cr_os_read_context(const void *context, struct cr_os_registers *registers)
{
    const mcontext_t *machine = &((const ucontext_t *)context)->uc_mcontext;
    memset(registers->word, 0, sizeof registers->word);
    for (unsigned i = 0; i < 31; i++)
        registers->word[i] = (uintptr_t)machine->regs[i];
    registers->word[31] = (uintptr_t)machine->sp;
    registers->pc = (uintptr_t)machine->pc;
    registers->sp = (uintptr_t)machine->sp;
    registers->fp = (uintptr_t)machine->regs[29];
    registers->whole = true;
}

CR_UNSEEN bool cr_registers_cut_short(const struct cr_os_registers *registers)
{
    uint8_t instruction[4];
    return registers->word[0] == (uintptr_t)-EINTR && cr_os_read_memory(registers->pc - 4, instruction, 4) == 4 &&
           !memcmp(instruction, "\x01\x00\x00\xd4", 4);
}

CR_UNSEEN bool cr_context_repeat(void *context)
{
    (void)context; /* the result has taken the place of the first argument */
    return false;
}

#endif

/* ---- where a thread stands, as /proc has it ---- */

/* Reads a file of a thread's. Returns its length, 0 if there is none: the thread has ended. */
static size_t read_file(uint64_t id, const char *name, char *text, size_t bytes)
{
    char path[64];
    struct cr_text file = CR_TEXT(path);
    cr_text_string(&file, "/proc/self/task/");
    cr_text_decimal(&file, id);
    cr_text_string(&file, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, bytes - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

uint64_t cr_proc_decimal(const char *text)
{
    uint64_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    return value;
}

static uint64_t hexadecimal(const char *text)
{
    uint64_t value = 0;
    for (text += strspn(text, "\t 0x"); strchr("0123456789abcdef", *text) && *text; text++)
        value = value * 16 + (uint64_t)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
    return value;
}

/* "number 6 arguments sp pc", "-1 sp pc" or "running" */
static struct cr_call sleeping_in(uint64_t id, struct cr_os_registers *registers)
{
    char text[300];
    struct cr_call call = {.number = -1};
    uint64_t field[9] = {0};
    unsigned fields = 0;
    if (!read_file(id, "/syscall", text, sizeof text) || text[0] == 'r')
        return call;
    for (const char *at = text; (at = strchr(at, ' ')) && fields < 8; at++)
        field[fields++] = hexadecimal(at);
    if (fields < 2)
        return call;
    registers->sp = (uintptr_t)field[fields - 2];
    registers->pc = (uintptr_t)field[fields - 1];
    if (fields == 8)
        memcpy(call.argument, field, sizeof call.argument);
    call.number = text[0] == '-' ? -1 : (long)cr_proc_decimal(text);
    return call;
}

bool cr_call_never_restarts(const struct cr_call *call)
{
    static const long calls[] = {
#ifdef SYS_poll
        SYS_poll,
        SYS_select,
        SYS_pause,
        SYS_epoll_wait,
#endif
        SYS_ppoll,
        SYS_pselect6,
        SYS_epoll_pwait,
        SYS_nanosleep,
        SYS_clock_nanosleep,
        SYS_rt_sigsuspend,
        SYS_semtimedop,
        SYS_semop,
        SYS_msgsnd,
        SYS_msgrcv,
        SYS_io_getevents,
        /* with a timeout that the socket has */
        SYS_accept,
        SYS_accept4,
        SYS_connect,
        SYS_recvfrom,
        SYS_recvmsg,
        SYS_sendto,
        SYS_sendmsg,
    };
    if (call->number == SYS_futex)
        return call->argument[3] != 0; /* a timeout: sem_timedwait */
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i] == call->number)
            return true;
    return false;
}

bool cr_call_holds_signals(long number)
{
#ifdef SYS_vfork
    if (number == SYS_vfork)
        return true;
#endif
    return number == SYS_clone || number == SYS_clone3 || number == SYS_rt_sigtimedwait;
}

struct cr_condition cr_condition_look(uint64_t id, int number, struct cr_os_registers *registers)
{
    char text[4096];
    struct cr_condition found = {.ended = true};
    if (!read_file(id, "/status", text, sizeof text))
        return found;
    const char *state = strstr(text, "\nState:\t"), *blocked = strstr(text, "\nSigBlk:\t");
    found.ended = !state || !blocked || state[8] == 'Z' || state[8] == 'X';
    found.stuck = state && state[8] == 'D';
    found.deaf = blocked && hexadecimal(blocked + 9) >> (number - 1) & 1;
    found.call = sleeping_in(id, registers);
    return found;
}
