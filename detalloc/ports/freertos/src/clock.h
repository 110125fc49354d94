/* Exact instruction counts, for an emulator whose clock is its instruction counter (qemu -icount): the board's timer 0, which the
 * kernel leaves alone (CMSDK APB timer; Arm's Cortex-M System Design Kit, 4.1). How many ticks an instruction takes is measured on
 * instructions that are known. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define clockCONTROL    ( *( volatile uint32_t * ) 0x40000000 )
#define clockVALUE      ( *( volatile uint32_t * ) 0x40000004 )
#define clockRELOAD     ( *( volatile uint32_t * ) 0x40000008 )

/* Instructions that are known: the shorter ones, and how many more the longer ones are. What both take besides is what reading the
 * clock takes; and over so many, a tick more or less is a ten-thousandth of an instruction. */
enum { clockSHORT = 256, clockMORE = 65536 };

/* Ticks of the shorter ones with the readings around them, and of clockMORE instructions. */
static uint32_t ulClockShort, ulClockMore;

/* Ticks of that many instructions, which are two each time around: the count, then the branch. */
static uint32_t prvClockKnown( uint32_t ulInstructions )
{
    uint32_t ulRounds = ulInstructions / 2, ulBegin, ulEnd;

    __asm volatile (
        "ldr %0, [%3]   \n"
        "1:             \n"
        "subs %2, #1    \n"
        "bne 1b         \n"
        "ldr %1, [%3]   \n"
        : "=&l" ( ulBegin ), "=&l" ( ulEnd ), "+&l" ( ulRounds ) : "l" ( &clockVALUE ) : "cc", "memory" );
    return ulBegin - ulEnd;
}

/* Starts it. False: it does not go by the instructions. */
static bool bClockStart( void )
{
    uint32_t ulFirst;

    clockRELOAD = UINT32_MAX;
    clockVALUE = UINT32_MAX;
    /* On, without interrupts. */
    clockCONTROL = 1;

    /* The emulator's timer stands still until its first period has passed. */
    for( ulFirst = clockVALUE; clockVALUE == ulFirst; )
    {
    }

    ulClockShort = prvClockKnown( clockSHORT );
    ulClockMore = prvClockKnown( clockSHORT + clockMORE ) - ulClockShort;
    /* A tenth of an instruction has to be at least a tick. */
    return ulClockMore >= 10 * clockMORE;
}

/* The instructions between two readings so many ticks apart. UINT32_MAX: that is no whole number, give or take a tenth, so something
 * else was counted. */
static uint32_t ulClockInstructions( uint32_t ulTicks )
{
    /* In units of one tick's share of clockMORE instructions. */
    int64_t llReadings = ( int64_t ) ulClockShort * clockMORE - ( int64_t ) ulClockMore * clockSHORT;
    int64_t llScaled = ( int64_t ) ulTicks * clockMORE - llReadings;
    int64_t llNearest = ( llScaled + ulClockMore / 2 ) / ulClockMore;
    int64_t llOff = llScaled - llNearest * ulClockMore;

    return ( llNearest >= 0 && llOff <= ulClockMore / 10 && -llOff <= ulClockMore / 10 ) ? ( uint32_t ) llNearest : UINT32_MAX;
}

#endif
