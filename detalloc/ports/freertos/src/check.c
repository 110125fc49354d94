/* Runs on the heap that the program was built with: counts the instructions of its two functions over growing fragmentation, and
 * creates and deletes tasks, queues, timers, semaphores and event groups. Prints a line for everything; main.rs says how the program
 * ends. */
#include <stdbool.h>

#include "FreeRTOS.h"
#include "event_groups.h"
#include "queue.h"
#include "semphr.h"
#include "task.h"
#include "timers.h"

#include "clock.h"

#ifdef HEAP_DETALLOC
    #include "heap_detalloc.h"
#endif

/* Of main.rs. */
void say_count( const char * pcWhat, uint32_t ulFragments, uint32_t ulLeast, uint32_t ulMost );
void say_check( const char * pcWhat, bool bHolds );
void finish( void );

static volatile uint32_t ulRefusals;
static volatile uint32_t ulAsserts;

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

/*----------------------------------------------------------- counts */

enum { SMALL = 64, LARGE = 200, MOST_FRAGMENTS = 1000, REPEATS = 16 };

static void * pvSmall[ 2 * MOST_FRAGMENTS + 2 ];

/* Instructions of allocating and freeing a larger block, behind so many holes that are too small for it. */
static void prvCount( size_t xFragments )
{
    uint32_t ulLeast[ 2 ] = { UINT32_MAX, UINT32_MAX }, ulMost[ 2 ] = { 0, 0 };
    size_t x;

    for( x = 0; x < 2 * xFragments; ++x )
    {
        pvSmall[ x ] = pvPortMalloc( SMALL );
    }

    for( x = 0; x < 2 * xFragments; x += 2 )
    {
        vPortFree( pvSmall[ x ] );
    }

    for( x = 0; x < REPEATS; ++x )
    {
        uint32_t ulBegin = ulClockNow(), ulCounts[ 2 ];
        void * pvBlock = pvPortMalloc( LARGE );
        size_t xWhich;

        ulCounts[ 0 ] = ulClockInstructions( ulBegin, ulClockNow() );
        ulBegin = ulClockNow();
        vPortFree( pvBlock );
        ulCounts[ 1 ] = ulClockInstructions( ulBegin, ulClockNow() );

        for( xWhich = 0; xWhich < 2; ++xWhich )
        {
            ulLeast[ xWhich ] = ulCounts[ xWhich ] < ulLeast[ xWhich ] ? ulCounts[ xWhich ] : ulLeast[ xWhich ];
            ulMost[ xWhich ] = ulCounts[ xWhich ] > ulMost[ xWhich ] ? ulCounts[ xWhich ] : ulMost[ xWhich ];
        }
    }

    for( x = 1; x < 2 * xFragments; x += 2 )
    {
        vPortFree( pvSmall[ x ] );
    }

    say_count( "allocate", xFragments, ulLeast[ 0 ], ulMost[ 0 ] );
    say_count( "free", xFragments, ulLeast[ 1 ], ulMost[ 1 ] );
}

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

static bool prvIsValid( void )
{
    #ifdef HEAP_DETALLOC
        return det_validate( pxPortHeapAllocator() );
    #else
        return true;
    #endif
}

static void prvMain( void * pvUnused )
{
    HeapStats_t xBefore, xAfter;
    size_t x, xTaken = 0, xLeast;
    bool bHolds = true;
    uint8_t * pucBlock;

    ( void ) pvUnused;
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

    while( xTaken < MOST_FRAGMENTS && ( pvSmall[ xTaken ] = pvPortMalloc( 4000 ) ) != NULL )
    {
        ++xTaken;
    }

    say_check( "a heap that has run dry refuses, and says so once", xTaken > 0 && xTaken < MOST_FRAGMENTS && ulRefusals == 1 );
    say_check( "the least that was free is noted", xPortGetMinimumEverFreeHeapSize() <= xLeast - xTaken * 4000 );

    for( x = 0; x < xTaken; ++x )
    {
        vPortFree( pvSmall[ x ] );
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

    say_check( "the metadata is what it must be", prvIsValid() );
    finish();
}

/* Called by main.rs. Does not return. */
void check( void )
{
    size_t x, xFragments[] = { 0, 10, 100, MOST_FRAGMENTS };

    #ifdef HEAP_DETALLOC
        say_check( "the heap is set up before it is needed", xPortHeapInitialise() == pdPASS );
    #else
        vPortFree( pvPortMalloc( 1 ) );
    #endif

    vClockStart();

    for( x = 0; x < sizeof( xFragments ) / sizeof( xFragments[ 0 ] ); ++x )
    {
        prvCount( xFragments[ x ] );
    }

    if( xTaskCreate( prvMain, "main", 1024, NULL, 1, NULL ) == pdPASS )
    {
        vTaskStartScheduler();
    }

    say_check( "the scheduler runs", false );
    finish();
}
