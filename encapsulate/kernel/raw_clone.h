// SPDX-License-Identifier: Apache-2.0
//
// For processes that share the caller's memory (CLONE_VM) and run beside it, on
// a stack of their own and without the C library.
#ifndef ENCAPSULATE_KERNEL_RAW_CLONE_H_
#define ENCAPSULATE_KERNEL_RAW_CLONE_H_

// A function that runs beside the caller's thread, with that thread's storage:
// what sanitizers and profilers add to it would get into each other's way. Nor
// does it return, so what AddressSanitizer notes of its variables would stay,
// and forbid the same addresses to the next relay.
#if defined(__clang__)
// The first attribute is for all sanitizers, but clang 14's AddressSanitizer
// doesn't know it.
#define SHARES_CALLER_MEMORY                                  \
  __attribute__((noinline, disable_sanitizer_instrumentation, \
                 no_sanitize("address"), no_profile_instrument_function))
#else
#define SHARES_CALLER_MEMORY                                              \
  __attribute__((noinline, no_sanitize("address"), no_sanitize("thread"), \
                 no_sanitize("undefined"), no_profile_instrument_function))
#endif

namespace encapsulate {

// A system call that doesn't touch errno.
SHARES_CALLER_MEMORY inline long RawSyscall(long number, long a, long b, long c,
                                            long d = 0, long e = 0,
                                            long f = 0) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                     "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
#endif
}

}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_RAW_CLONE_H_
