/* signal_words.h - signals and their causes in words. Pure; callable from signal handlers. */
#ifndef CR_EVENTS_SIGNAL_WORDS_H
#define CR_EVENTS_SIGNAL_WORDS_H

#include <signal.h>
#include <stdbool.h>

/* Signals whose default action ends the process and which crunch watches. */
struct cr_signal {
    int number;
    const char *name;  /* SIGSEGV */
    const char *words; /* illegal access */
    bool crash;        /* a fault or abort, not a request to end */
    bool address;      /* si_addr means something when the kernel sent it */
};
extern const struct cr_signal cr_signals[];
extern const int cr_signal_count;

/* The entry of a number, or NULL. */
const struct cr_signal *cr_signal_find(int number);
/* si_code in words: "address not mapped". */
const char *cr_signal_cause(const siginfo_t *info);
/* Whether a process sent it (kill, raise, abort), so that si_pid holds the sender. */
bool cr_signal_sent(const siginfo_t *info);

#endif
