/* Exact instruction counts, for an emulator whose clock is its instruction counter (qemu -icount): SysTick, before the kernel takes
 * it. How many ticks an instruction takes is measured on instructions that are known. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* SysTick's registers (Armv7-M Architecture Reference Manual, B3.3). */
#define clockCONTROL    ( *( volatile uint32_t * ) 0xE000E010 )
#define clockRELOAD     ( *( volatile uint32_t * ) 0xE000E014 )
#define clockCOUNT      ( *( volatile uint32_t * ) 0xE000E018 )
#define clockMASK       0x00FFFFFFU

/* Ticks of the known instructions, and of two readings with nothing between. */
static uint32_t ulKnownTicks, ulNoTicks;

static inline uint32_t ulClockNow( void )
{
    uint32_t ulNow = clockCOUNT;

    __asm volatile ( "" ::: "memory" );
    return ulNow;
}

/* Takes 256 instructions, with the call and the return. */
__attribute__( ( naked, noinline ) ) static void prvKnown( void )
{
    __asm volatile ( ".rept 254\n nop\n .endr\n bx lr" );
}

static void vClockStart( void )
{
    uint32_t ulBegin;

    clockRELOAD = clockMASK;
    clockCOUNT = 0;
    /* On, without interrupts, at the processor's speed. */
    clockCONTROL = 5;
    ulBegin = ulClockNow();
    ulNoTicks = ( ulBegin - ulClockNow() ) & clockMASK;
    ulBegin = ulClockNow();
    prvKnown();
    ulKnownTicks = ( ( ulBegin - ulClockNow() ) & clockMASK ) - ulNoTicks;
}

/* The instructions between two readings, the call included, rounded to the nearest. */
static uint32_t ulClockInstructions( uint32_t ulBegin, uint32_t ulEnd )
{
    uint32_t ulTicks = ( ( ulBegin - ulEnd ) & clockMASK ) - ulNoTicks;

    return ( ulTicks * 256 + ulKnownTicks / 2 ) / ulKnownTicks;
}

#endif
