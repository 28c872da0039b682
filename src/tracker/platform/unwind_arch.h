/* unwind_arch.h - the processor's side of the Linux unwinder. Private to it. */
#ifndef CR_PLATFORM_UNWIND_ARCH_H
#define CR_PLATFORM_UNWIND_ARCH_H

#if defined(__x86_64__)
#include "platform/unwind_x86_64.h"
#elif defined(__aarch64__)
#include "platform/unwind_aarch64.h"
#else
#error "no unwinder for this processor"
#endif

#endif
