/* Counts the instructions of the heap's two functions, in a task of a running kernel, in every state that makes a difference to one of
 * the heaps: behind holes that are too small, of several sizes, where a class has run dry, and refused. */
#include "FreeRTOS.h"
#include "task.h"

#include "clock.h"
#include "program.h"

#ifdef HEAP_DETALLOC
    #include "heap_detalloc.h"
#endif

/* Every state is counted so often; nothing changes between. */
enum { REPEATS = 8 };

/* What the heap may hold at most: heap_4 has room for 2,520 blocks of SIZE and their headers. */
enum { SMALL = 64, SIZE = 200, MOST_HOLES = 1000, MOST_HELD = 4096 };

static void * pvHeld[ MOST_HELD ];
static size_t xHeld;

/*----------------------------------------------------------- one call */

/* Calls a function of one argument and keeps its result: the ticks between two readings with the call between. In assembler, so that
 * nothing else is. */
__attribute__( ( naked, noinline ) ) static uint32_t prvTicksOf( const void * pvFunction __attribute__( ( unused ) ),
                                                                uintptr_t uxArgument __attribute__( ( unused ) ),
                                                                uintptr_t * puxResult __attribute__( ( unused ) ) )
{
    __asm volatile (
        "push {r4-r6, lr}       \n"
        "mov r3, r0             \n"
        "mov r0, r1             \n"
        "mov r4, r2             \n"
        "movw r5, #0x0004       \n"
        "movt r5, #0x4000       \n"
        "ldr r6, [r5]           \n"
        "blx r3                 \n"
        "ldr r1, [r5]           \n"
        "str r0, [r4]           \n"
        "subs r0, r6, r1        \n"
        "pop {r4-r6, pc}        \n" );
}

/* The least and the most. */
typedef struct
{
    uint32_t ulLeast, ulMost;
} Range_t;

static const Range_t xNothing = { UINT32_MAX, 0 };

/* Counts a call: the function whole, its return included. */
static uintptr_t prvCount( const void * pvFunction, uintptr_t uxArgument, Range_t * pxRange )
{
    TickType_t xTick;
    uintptr_t uxResult;
    uint32_t ulCount;

    /* The next tick is a whole period away. */
    vTaskDelay( 1 );
    xTick = xTaskGetTickCount();
    ulCount = ulClockInstructions( prvTicksOf( pvFunction, uxArgument, &uxResult ) );

    if( ulCount == UINT32_MAX || xTaskGetTickCount() != xTick )
    {
        say_check( "a count is a whole number of instructions, and nothing comes between", false );
    }

    /* The call itself. */
    --ulCount;
    pxRange->ulLeast = ulCount < pxRange->ulLeast ? ulCount : pxRange->ulLeast;
    pxRange->ulMost = ulCount > pxRange->ulMost ? ulCount : pxRange->ulMost;
    return uxResult;
}

static void prvSay( const char * pcOperation, Range_t xRange, const char * pcState )
{
    say( "counted " );
    say( pcOperation );
    say( " " );
    say_number( xRange.ulLeast );
    say( " " );
    say_number( xRange.ulMost );
    say( " " );
    say( pcState );
    say( "\n" );
}

/* Counts allocations of a size as the heap is, and the frees of what they gave, if they gave something. */
static void prvCountBoth( const char * pcState, size_t xSize, bool bIsServed )
{
    Range_t xAllocate = xNothing, xFree = xNothing;
    bool bHolds = true;
    size_t x;

    for( x = 0; x < REPEATS; ++x )
    {
        uintptr_t uxBlock = prvCount( ( const void * ) pvPortMalloc, xSize, &xAllocate );

        bHolds = bHolds && ( uxBlock != 0 ) == bIsServed;

        if( uxBlock != 0 )
        {
            ( void ) prvCount( ( const void * ) vPortFree, uxBlock, &xFree );
        }
    }

    if( !bHolds )
    {
        say_check( pcState, false );
    }

    prvSay( "allocate", xAllocate, pcState );

    if( xFree.ulMost > 0 )
    {
        prvSay( "free", xFree, pcState );
    }
}

/*----------------------------------------------------------- states */

static bool prvHold( size_t xSize )
{
    void * pvBlock = xHeld < MOST_HELD ? pvPortMalloc( xSize ) : NULL;

    if( pvBlock != NULL )
    {
        pvHeld[ xHeld++ ] = pvBlock;
    }

    return pvBlock != NULL;
}

static void prvGiveBack( void )
{
    while( xHeld > 0 )
    {
        vPortFree( pvHeld[ --xHeld ] );
    }
}

/* Holds blocks of a size until the next one would be a larger class's; where there are no classes, a number of them. */
static void prvRunDry( size_t xSize, size_t xBlocks )
{
    #ifdef HEAP_DETALLOC
        ( void ) xBlocks;

        while( prvHold( xSize ) )
        {
            if( det_alloc_usable_size( pxPortHeapAllocator(), pvHeld[ xHeld - 1 ] ) > xSize )
            {
                vPortFree( pvHeld[ --xHeld ] );
                break;
            }
        }
    #else
        while( xBlocks-- > 0 )
        {
            ( void ) prvHold( xSize );
        }
    #endif
}

/* Behind so many holes of SMALL bytes, each between two blocks of as many. */
static void prvBehind( size_t xHoles, const char * pcState )
{
    size_t x;

    for( x = 0; x < 2 * xHoles; ++x )
    {
        ( void ) prvHold( SMALL );
    }

    /* Every second one is freed, and the others are kept for later. */
    for( x = 0; x < xHeld / 2; ++x )
    {
        vPortFree( pvHeld[ 2 * x ] );
        pvHeld[ x ] = pvHeld[ 2 * x + 1 ];
    }

    xHeld /= 2;

    prvCountBoth( pcState, SIZE, true );
    prvGiveBack();
}

static uintptr_t prvAllocate( uintptr_t uxSize )
{
    return prvHold( uxSize );
}

static uintptr_t prvFree( uintptr_t uxUnused )
{
    ( void ) uxUnused;
    prvGiveBack();
    return 0;
}

bool start_to_count( void )
{
    return bClockStart();
}

void count( void )
{
    /* The pools of FreeRTOSConfig.h, which the numbers of blocks here are those of. */
    static const struct { size_t xSize; const char * pcState; } xSizes[] =
    {
        { 40, "40 bytes" },     { 100, "100 bytes" },   { 200, "200 bytes" },  { 500, "500 bytes" },
        { 1000, "1000 bytes" }, { 2000, "2000 bytes" }, { 4000, "4000 bytes" },
    };
    size_t x;

    prvBehind( 0, "behind 0 holes" );
    prvBehind( 10, "behind 10 holes" );
    prvBehind( 100, "behind 100 holes" );
    prvBehind( MOST_HOLES, "behind 1000 holes" );

    for( x = 0; x < sizeof( xSizes ) / sizeof( xSizes[ 0 ] ); ++x )
    {
        prvCountBoth( xSizes[ x ].pcState, xSizes[ x ].xSize, true );
    }

    prvCountBoth( "refused, larger than the heap", 1024 * 1024, false );
    prvRunDry( 256, 128 );
    prvCountBoth( "run dry, the next class lends", SIZE, true );
    prvRunDry( 512, 32 );
    prvRunDry( 1024, 32 );
    prvRunDry( 2048, 32 );
    prvCountBoth( "run dry, the largest class lends", SIZE, true );

    while( prvHold( SIZE ) )
    {
    }

    prvCountBoth( "refused, nothing is free", SIZE, false );

    #ifdef HEAP_DETALLOC
    {
        Range_t xRefused = xNothing;
        uint32_t ulBefore = ulAsserts;
        void * pvBlock = pvHeld[ --xHeld ];

        vPortFree( pvBlock );
        ( void ) prvCount( ( const void * ) vPortFree, ( uintptr_t ) pvBlock, &xRefused );
        prvSay( "free", xRefused, "refused, freed twice" );
        say_check( "a second free is heard of", ulAsserts == ulBefore + 1 );
        ulAsserts = ulBefore;
    }
    #endif

    prvGiveBack();

    taskENTER_CRITICAL();
    {
        size_t xAllocate = stack_of( ( const void * ) prvAllocate, SIZE, 1024 );
        size_t xFree = stack_of( ( const void * ) prvFree, 0, 1024 );

        say( "stack allocate " );
        say_number( ( uint32_t ) xAllocate );
        say( " free " );
        say_number( ( uint32_t ) xFree );
        say( "\n" );
    }
    taskEXIT_CRITICAL();
}

/*----------------------------------------------------------- stack */

size_t stack_of( const void * pvFunction, uintptr_t uxArgument, size_t xDepth )
{
    const uint32_t ulPaint = 0xA5C35A3CU;
    volatile uint32_t * pulTop;
    size_t x;

    __asm volatile ( "mov %0, sp" : "=r" ( pulTop ) );

    for( x = 1; x <= xDepth / 4; ++x )
    {
        *( pulTop - x ) = ulPaint;
    }

    ( void ) ( ( uintptr_t ( * )( uintptr_t ) ) pvFunction )( uxArgument );

    for( x = xDepth / 4; x > 0 && *( pulTop - x ) == ulPaint; --x )
    {
    }

    return 4 * x;
}
