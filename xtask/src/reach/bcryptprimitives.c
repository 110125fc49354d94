/* Rust's standard library takes random bytes from a library that older versions of wine lack. This one stands in for it, beside
   the test programs, and passes on to the older function of the same effect. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG count); /* RtlGenRandom */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) {
    return SystemFunction036(bytes, (ULONG)count);
}
