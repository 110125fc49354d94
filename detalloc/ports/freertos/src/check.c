/* Runs on the heap that the program was built with: sets it up, counts what its functions take, and creates and deletes tasks, queues,
 * timers, semaphores and event groups. Prints a line for everything. */
#include <string.h>

#include "FreeRTOS.h"
#include "event_groups.h"
#include "queue.h"
#include "semphr.h"
#include "task.h"
#include "timers.h"

#include "program.h"

#ifdef HEAP_DETALLOC
    #include "heap_detalloc.h"
#endif

volatile uint32_t ulRefusals, ulAsserts;

void vApplicationMallocFailedHook( void )
{
    ++ulRefusals;
}

void vAsserted( void )
{
    ++ulAsserts;
}

void vApplicationStackOverflowHook( TaskHandle_t xTask, char * pcName )
{
    ( void ) xTask;
    ( void ) pcName;
    say_check( "no stack overflows", false );
    finish();
}

#if( configAPPLICATION_ALLOCATED_HEAP == 1 )
    /* At an odd address, as a heap may be anywhere. */
    uint8_t ucHeapAndOne[ configTOTAL_HEAP_SIZE + 1 ];
    __asm( ".global ucHeap\n .set ucHeap, ucHeapAndOne + 1" );
#endif

#if( configHEAP_CLEAR_MEMORY_ON_FREE == 1 )
    /* How often memory was set, and how often with interrupts masked. */
    static uint32_t ulSets, ulMaskedSets;

    void * __real_memset( void * pv, int iByte, size_t xBytes );
    void * __wrap_memset( void * pv, int iByte, size_t xBytes );

    /* The linker leads every call of memset here. */
    void * __wrap_memset( void * pv, int iByte, size_t xBytes )
    {
        uint32_t ulMask;

        __asm volatile ( "mrs %0, basepri" : "=r" ( ulMask ) );
        ++ulSets;
        ulMaskedSets += ulMask != 0;
        return __real_memset( pv, iByte, xBytes );
    }
#endif

/* Blocks that are held at once. */
enum { MOST_HELD = 200 };

static void * pvHeld[ MOST_HELD ];

/*----------------------------------------------------------- churn */

enum { ROUNDS = 200, MESSAGES = 4 };

/* What one round creates. */
typedef struct
{
    QueueHandle_t xQueue;
    SemaphoreHandle_t xDone;
    EventGroupHandle_t xEvents;
    uint32_t ulSum;
} Round_t;

/* Adds up what comes, says so, and waits to be deleted. */
static void prvWorker( void * pvRound )
{
    Round_t * pxRound = pvRound;
    uint32_t ulMessage, ulReceived;

    for( ulReceived = 0; ulReceived < MESSAGES; ++ulReceived )
    {
        if( xQueueReceive( pxRound->xQueue, &ulMessage, portMAX_DELAY ) == pdPASS )
        {
            pxRound->ulSum += ulMessage;
        }
    }

    ( void ) xSemaphoreGive( pxRound->xDone );
    vTaskSuspend( NULL );
}

/* Deletes itself: the idle task frees what it had. */
static void prvShortLived( void * pvRound )
{
    Round_t * pxRound = pvRound;

    ( void ) xEventGroupSetBits( pxRound->xEvents, 1 );
    vTaskDelete( NULL );
}

static void prvTimer( TimerHandle_t xTimer )
{
    ( void ) xEventGroupSetBits( ( EventGroupHandle_t ) pvTimerGetTimerID( xTimer ), 2 );
}

static bool prvRound( size_t xNumber )
{
    Round_t xRound = { NULL, NULL, NULL, 0 };
    TaskHandle_t xWorker = NULL;
    TimerHandle_t xTimer;
    uint32_t ulMessage;
    bool bHolds;

    xRound.xQueue = xQueueCreate( 1 + xNumber % 7, sizeof( uint32_t ) );
    xRound.xDone = xSemaphoreCreateBinary();
    xRound.xEvents = xEventGroupCreate();
    xTimer = xTimerCreate( "timer", 1, pdFALSE, xRound.xEvents, prvTimer );
    bHolds = xRound.xQueue != NULL && xRound.xDone != NULL && xRound.xEvents != NULL && xTimer != NULL;
    bHolds = bHolds && xTaskCreate( prvWorker, "worker", 256 + 64 * ( xNumber % 3 ), &xRound, 2, &xWorker ) == pdPASS;
    bHolds = bHolds && xTaskCreate( prvShortLived, "short", 256, &xRound, 2, NULL ) == pdPASS;
    bHolds = bHolds && xTimerStart( xTimer, portMAX_DELAY ) == pdPASS;

    for( ulMessage = 1; bHolds && ulMessage <= MESSAGES; ++ulMessage )
    {
        bHolds = xQueueSend( xRound.xQueue, &ulMessage, portMAX_DELAY ) == pdPASS;
    }

    bHolds = bHolds && xSemaphoreTake( xRound.xDone, portMAX_DELAY ) == pdPASS;
    bHolds = bHolds && xEventGroupWaitBits( xRound.xEvents, 3, pdTRUE, pdTRUE, portMAX_DELAY ) == 3;
    bHolds = bHolds && xRound.ulSum == MESSAGES * ( MESSAGES + 1 ) / 2;

    if( bHolds )
    {
        vTaskDelete( xWorker );
        ( void ) xTimerDelete( xTimer, portMAX_DELAY );
        /* The timer's task and the idle task free theirs. */
        vTaskDelay( 2 );
        vQueueDelete( xRound.xQueue );
        vSemaphoreDelete( xRound.xDone );
        vEventGroupDelete( xRound.xEvents );
    }

    return bHolds;
}

static void prvMain( void * pvUnused )
{
    HeapStats_t xBefore, xAfter;
    size_t x, xTaken = 0, xLeast;
    bool bHolds = true;
    uint8_t * pucBlock;

    ( void ) pvUnused;
    count();
    ulRefusals = 0;
    /* The idle task frees what was the kernel's. */
    vTaskDelay( 2 );
    vPortGetHeapStats( &xBefore );

    for( x = 0; bHolds && x < ROUNDS; ++x )
    {
        bHolds = prvRound( x );
    }

    say_check( "tasks, queues, timers, semaphores and event groups come and go", bHolds && ulAsserts == 0 );
    vPortGetHeapStats( &xAfter );
    say_check( "what was free is free again", xAfter.xAvailableHeapSpaceInBytes == xBefore.xAvailableHeapSpaceInBytes
               && xPortGetFreeHeapSize() == xAfter.xAvailableHeapSpaceInBytes );
    say_check( "the statistics agree",
               xAfter.xNumberOfSuccessfulAllocations - xBefore.xNumberOfSuccessfulAllocations
               == xAfter.xNumberOfSuccessfulFrees - xBefore.xNumberOfSuccessfulFrees
               && xAfter.xNumberOfFreeBlocks > 0
               && xAfter.xSizeOfSmallestFreeBlockInBytes <= xAfter.xSizeOfLargestFreeBlockInBytes
               && xAfter.xMinimumEverFreeBytesRemaining < xAfter.xAvailableHeapSpaceInBytes );

    pucBlock = pvPortCalloc( 25, 8 );
    say_check( "a cleared block is clear", pucBlock != NULL && pucBlock[ 0 ] == 0 && pucBlock[ 199 ] == 0 );
    vPortFree( pucBlock );
    vPortFree( NULL );

    xPortResetHeapMinimumEverFreeHeapSize();
    xLeast = xPortGetMinimumEverFreeHeapSize();

    while( xTaken < MOST_HELD && ( pvHeld[ xTaken ] = pvPortMalloc( 4000 ) ) != NULL )
    {
        ++xTaken;
    }

    say_check( "a heap that has run dry refuses, and says so once", xTaken > 0 && xTaken < MOST_HELD && ulRefusals == 1 );
    say_check( "the least that was free is noted", xPortGetMinimumEverFreeHeapSize() <= xLeast - xTaken * 4000 );

    for( x = 0; x < xTaken; ++x )
    {
        vPortFree( pvHeld[ x ] );
    }

    say_check( "impossible sizes are refused", pvPortMalloc( SIZE_MAX ) == NULL && pvPortMalloc( 0 ) == NULL
               && pvPortCalloc( SIZE_MAX, 2 ) == NULL && ulRefusals >= 2 );
    say_check( "everything came back", xPortGetFreeHeapSize() == xBefore.xAvailableHeapSpaceInBytes && ulAsserts == 0 );

    #ifdef HEAP_DETALLOC
    {
        uint8_t * pucLive = pvPortMalloc( 100 );
        size_t xFree = xPortGetFreeHeapSize();

        vPortFree( pucLive + 16 );
        vPortFree( &xFree );
        say_check( "wrong frees are refused and heard of", ulAsserts == 2 && xPortGetFreeHeapSize() == xFree );
        vPortFree( pucLive );
        vPortFree( pucLive );
        say_check( "a second free is refused and heard of", ulAsserts == 3
                   && xPortGetFreeHeapSize() == xBefore.xAvailableHeapSpaceInBytes );
    }
    #endif

    #if( configHEAP_CLEAR_MEMORY_ON_FREE == 1 )
    {
        bool bIsClear = true;

        pucBlock = pvPortMalloc( 4000 );

        if( pucBlock != NULL )
        {
            ( void ) memset( pucBlock, 0x5A, 4000 );
        }

        ulSets = ulMaskedSets = 0;
        vPortFree( pucBlock );

        for( x = 0; x < 4000; ++x )
        {
            bIsClear = bIsClear && pucBlock != NULL && ( ( volatile uint8_t * ) pucBlock )[ x ] == 0;
        }

        say_check( "a freed block is cleared, with interrupts on", bIsClear && ulSets == 1 && ulMaskedSets == 0 );
    }
    #endif

    #ifdef HEAP_DETALLOC
        say_check( "the metadata is what it must be", det_validate( pxPortHeapAllocator() ) );
    #endif

    finish();
}

/*----------------------------------------------------------- setting up */

#ifdef HEAP_DETALLOC

    static uintptr_t prvSetUp( uintptr_t uxUnused )
    {
        ( void ) uxUnused;
        return ( uintptr_t ) xPortHeapInitialise();
    }

    /* The stack that it may take, as README.md says: an eighth of a task's 256 words is left. A configuration of the most pools has 264
     * bytes, the plan of one 304, and the rest is what the functions save. */
    enum { MOST_STACK = 896 };

    /* What README.md says that a heap needs at most, for pools of at most 1,024 blocks each. */
    static size_t prvEstimate( void )
    {
        size_t xPool, xBytes = 0, xAll = 0, xAlignment = 64;
        det_pool_stats_t xStats;

        for( xPool = 0; det_get_pool_stats( pxPortHeapAllocator(), xPool, &xStats ) == DET_OK; ++xPool )
        {
            size_t xOfSize = xStats.block_size & ( ~xStats.block_size + 1 );

            xBytes += xStats.block_size * xStats.block_count;
            xAll += 128 + xStats.block_count / 4;
            xAlignment = xOfSize > xAlignment ? xOfSize : xAlignment;
        }

        return xBytes + xBytes / 64 + xAll + 400 + xAlignment;
    }

    static void prvSetUpHeap( void )
    {
        size_t xNeeded = xPortGetHeapBytesNeeded();
        /* Nothing may interrupt, and nothing does before the scheduler starts. */
        size_t xStack = stack_of( ( const void * ) prvSetUp, 0, 2048 );

        say( "heap-bytes needed " );
        say_number( ( uint32_t ) xNeeded );
        say( " estimated " );
        say_number( ( uint32_t ) prvEstimate() );
        say( " of " );
        say_number( ( uint32_t ) configTOTAL_HEAP_SIZE );
        say( "\nstack set-up " );
        say_number( ( uint32_t ) xStack );
        say( "\n" );
        say_check( "the heap is set up before it is needed", pxPortHeapAllocator() != NULL && xPortHeapInitialise() == pdPASS );
        say_check( "it has the bytes that it needs", xNeeded > 0 && xNeeded <= configTOTAL_HEAP_SIZE );
        say_check( "README.md's formula is enough", xNeeded <= prvEstimate() );
        say_check( "setting it up takes no more stack than README.md says", xStack > 0 && xStack <= MOST_STACK );
    }

    #ifdef LARGEST_REQUEST
        /* Whether a heap of the README's serves what it says there. */
        static void prvServe( void )
        {
            void * pvLargest = pvPortMalloc( LARGEST_REQUEST );

            say_check( "the largest request that the README names is served",
                       pvLargest != NULL && pvPortMalloc( LARGEST_REQUEST + 1 ) == NULL );
            vPortFree( pvLargest );
            say_check( "nothing was asserted", ulAsserts == 0 );
            finish();
        }
    #endif

#endif

void check( void )
{
    say( "heap " );
    #ifdef HEAP_DETALLOC
        say( "detalloc\n" );
        prvSetUpHeap();
    #else
        say( "heap_4\n" );
    #endif

    #ifdef LARGEST_REQUEST
        prvServe();
    #endif

    say_check( "the clock goes by the instructions", start_to_count() );

    if( xTaskCreate( prvMain, "main", 1024, NULL, 1, NULL ) == pdPASS )
    {
        vTaskStartScheduler();
    }

    say_check( "the scheduler runs", false );
    finish();
}
