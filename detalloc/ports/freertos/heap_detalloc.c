/**
 * @file heap_detalloc.c
 * FreeRTOS' heap in constant time: takes the place of heap_4.c, over detalloc's C interface. MIT License.
 *
 * Compile it instead of the kernel's own portable/MemMang/heap_*.c, put detalloc.h into the include path, and link the library
 * (freestanding, without the feature stdio). It has the whole interface of heap_4.c; what is different:
 *
 * - Blocks come from pools of fixed sizes, so nothing fragments. A request gets a whole block of its class, in the same time however
 *   many blocks are live or were freed; where the class has run dry, a block of a larger one, in a little more time, which has a bound
 *   too. No request is served that is larger than the largest block.
 * - Both run in a critical section, with interrupts up to configMAX_SYSCALL_INTERRUPT_PRIORITY masked for a few hundred instructions
 *   (README.md has the counts), where heap_4.c suspends the scheduler.
 * - What is no live block of the heap is refused, reaches configASSERT, and changes nothing.
 *
 * In FreeRTOSConfig.h, beside what heap_4.c reads (configTOTAL_HEAP_SIZE, configAPPLICATION_ALLOCATED_HEAP,
 * configUSE_MALLOC_FAILED_HOOK, configHEAP_CLEAR_MEMORY_ON_FREE, configASSERT):
 *
 * - configDETALLOC_POOLS, which is needed: the pools, as { size, count }, { size, count }, ... with sizes that rise. What heap they
 *   need, xPortGetHeapBytesNeeded() says, and README.md how to choose them.
 *
 * configENABLE_HEAP_PROTECTOR has no meaning here: it obscures the links inside of free blocks, and these blocks have none.
 *
 * Call xPortHeapInitialise() from main. Otherwise the first allocation sets the heap up, on the stack of the task that makes it, with
 * interrupts masked for as long as it takes to write the metadata.
 */
#include <string.h>

/* As in heap_4.c: the kernel's own names, not those of its wrappers for memory protection. */
#define MPU_WRAPPERS_INCLUDED_FROM_API_FILE
#include "FreeRTOS.h"
#include "task.h"
#undef MPU_WRAPPERS_INCLUDED_FROM_API_FILE

#include "detalloc.h"
#include "heap_detalloc.h"

#if( configSUPPORT_DYNAMIC_ALLOCATION == 0 )
    #error heap_detalloc.c must not be compiled if configSUPPORT_DYNAMIC_ALLOCATION is 0
#endif

#ifndef configDETALLOC_POOLS
    #error FreeRTOSConfig.h must define configDETALLOC_POOLS, as { size, count }, { size, count }, ...: see README.md
#endif

#if( portBYTE_ALIGNMENT > 16 )
    #error heap_detalloc.c aligns blocks to 16 bytes, and this port wants more
#endif

#ifndef configHEAP_CLEAR_MEMORY_ON_FREE
    #define configHEAP_CLEAR_MEMORY_ON_FREE 0
#endif

#if( configAPPLICATION_ALLOCATED_HEAP == 1 )
    extern uint8_t ucHeap[ configTOTAL_HEAP_SIZE ];
#else
    PRIVILEGED_DATA static uint8_t ucHeap[ configTOTAL_HEAP_SIZE ];
#endif

static const det_pool_config_t xPools[] = { configDETALLOC_POOLS };

#define heapPOOLS    ( sizeof( xPools ) / sizeof( xPools[ 0 ] ) )

/* Does not compile if there are more pools than a heap can have. */
typedef char heapTooManyPools_t[ ( heapPOOLS <= DET_MAX_POOLS ) ? 1 : -1 ];

/* NULL until the heap is set up. All of these are touched in critical sections. */
PRIVILEGED_DATA static det_allocator_t * pxHeap = NULL;
PRIVILEGED_DATA static size_t xFreeBytes = 0;
PRIVILEGED_DATA static size_t xLeastFreeBytes = 0;
PRIVILEGED_DATA static size_t xAllocations = 0;
PRIVILEGED_DATA static size_t xFrees = 0;

static BaseType_t prvInitialise( void ) PRIVILEGED_FUNCTION;

/* Sets the heap up. In a critical section, or before the scheduler starts. */
static BaseType_t prvInitialise( void )
{
    det_pool_stats_t xStats;
    size_t xPool;
    size_t xAllBytes = 0;
    size_t xNeeded = xPortGetHeapBytesNeeded();

    /* Where the linker puts the heap must not decide whether there is one, so less than what is enough anywhere is refused. */
    if( ( xNeeded > 0 ) && ( xNeeded <= sizeof( ucHeap ) ) )
    {
        pxHeap = det_alloc_init_pools( ucHeap, sizeof( ucHeap ), xPools, heapPOOLS );
    }

    for( xPool = 0; det_get_pool_stats( pxHeap, xPool, &xStats ) == DET_OK; ++xPool )
    {
        xAllBytes += xStats.block_size * xStats.block_count;
    }

    xFreeBytes = xAllBytes;
    xLeastFreeBytes = xAllBytes;
    return ( pxHeap != NULL ) ? pdPASS : pdFAIL;
}
/*-----------------------------------------------------------*/

size_t xPortGetHeapBytesNeeded( void )
{
    return det_alloc_size_pools( xPools, heapPOOLS );
}
/*-----------------------------------------------------------*/

BaseType_t xPortHeapInitialise( void )
{
    BaseType_t xIsThere = pdPASS;

    taskENTER_CRITICAL();
    {
        if( pxHeap == NULL )
        {
            xIsThere = prvInitialise();
        }
    }
    taskEXIT_CRITICAL();

    /* configTOTAL_HEAP_SIZE has no room for the pools, or their sizes do not rise. */
    configASSERT( xIsThere == pdPASS );
    return xIsThere;
}
/*-----------------------------------------------------------*/

det_allocator_t * pxPortHeapAllocator( void )
{
    return pxHeap;
}
/*-----------------------------------------------------------*/

void * pvPortMalloc( size_t xWantedSize )
{
    void * pvBlock = NULL;
    size_t xBytes = 0;

    if( ( pxHeap != NULL ) || ( xPortHeapInitialise() == pdPASS ) )
    {
        taskENTER_CRITICAL();
        {
            if( xWantedSize > 0 )
            {
                pvBlock = det_alloc( pxHeap, xWantedSize );
            }

            if( pvBlock != NULL )
            {
                xBytes = det_alloc_usable_size( pxHeap, pvBlock );
                xFreeBytes -= xBytes;
                xLeastFreeBytes = ( xFreeBytes < xLeastFreeBytes ) ? xFreeBytes : xLeastFreeBytes;
                ++xAllocations;
            }

            /* The whole block, as traceFREE says it, so that a trace adds up; 0 where there is none. */
            traceMALLOC( pvBlock, xBytes );
        }
        taskEXIT_CRITICAL();
    }

    #if( configUSE_MALLOC_FAILED_HOOK == 1 )
    {
        if( pvBlock == NULL )
        {
            vApplicationMallocFailedHook();
        }
    }
    #endif

    return pvBlock;
}
/*-----------------------------------------------------------*/

void vPortFree( void * pv )
{
    det_error_t xError = DET_OK;

    if( pv != NULL )
    {
        #if( configHEAP_CLEAR_MEMORY_ON_FREE == 1 )
        {
            size_t xToClear;

            taskENTER_CRITICAL();
            {
                xToClear = det_alloc_usable_size( pxHeap, pv );
            }
            taskEXIT_CRITICAL();

            /* Between two sections, as in heap_4.c: the block is still the caller's, and interrupts do not wait for it to be clear. */
            ( void ) memset( pv, 0, xToClear );
        }
        #endif

        taskENTER_CRITICAL();
        {
            /* 0 for what is no live block, which is refused below. */
            size_t xBytes = det_alloc_usable_size( pxHeap, pv );

            xError = det_free( pxHeap, pv );

            if( xError == DET_OK )
            {
                xFreeBytes += xBytes;
                ++xFrees;
                traceFREE( pv, xBytes );
            }
        }
        taskEXIT_CRITICAL();
    }

    /* Freed twice, inside of a block, or of no block of this heap. */
    configASSERT( xError == DET_OK );
    ( void ) xError;
}
/*-----------------------------------------------------------*/

void * pvPortCalloc( size_t xNum,
                     size_t xSize )
{
    void * pvBlock = NULL;

    /* What overflows is refused as what no block holds. */
    if( ( xSize == 0 ) || ( xNum <= ( ( size_t ) -1 ) / xSize ) )
    {
        pvBlock = pvPortMalloc( xNum * xSize );

        if( pvBlock != NULL )
        {
            ( void ) memset( pvBlock, 0, xNum * xSize );
        }
    }

    return pvBlock;
}
/*-----------------------------------------------------------*/

size_t xPortGetFreeHeapSize( void )
{
    return xFreeBytes;
}
/*-----------------------------------------------------------*/

size_t xPortGetMinimumEverFreeHeapSize( void )
{
    return xLeastFreeBytes;
}
/*-----------------------------------------------------------*/

void xPortResetHeapMinimumEverFreeHeapSize( void )
{
    taskENTER_CRITICAL();
    {
        xLeastFreeBytes = xFreeBytes;
    }
    taskEXIT_CRITICAL();
}
/*-----------------------------------------------------------*/

void vPortInitialiseBlocks( void )
{
    /* Nothing is to be linked before the first allocation, as in heap_4.c. */
}
/*-----------------------------------------------------------*/

void vPortGetHeapStats( HeapStats_t * pxHeapStats )
{
    size_t xPool;
    det_pool_stats_t xStats;

    ( void ) memset( pxHeapStats, 0, sizeof( *pxHeapStats ) );

    /* One pool at a time, so that no critical section is longer than the look at one. */
    for( xPool = 0; xPool < DET_MAX_POOLS; ++xPool )
    {
        det_error_t xError;
        size_t xBlocks = 0;

        taskENTER_CRITICAL();
        {
            xError = det_get_pool_stats( pxHeap, xPool, &xStats );
        }
        taskEXIT_CRITICAL();

        if( xError != DET_OK )
        {
            break;
        }

        xBlocks = xStats.block_count - xStats.used;

        if( xBlocks > 0 )
        {
            if( pxHeapStats->xNumberOfFreeBlocks == 0 )
            {
                pxHeapStats->xSizeOfSmallestFreeBlockInBytes = xStats.block_size;
            }

            pxHeapStats->xSizeOfLargestFreeBlockInBytes = xStats.block_size;
            pxHeapStats->xNumberOfFreeBlocks += xBlocks;
        }
    }

    taskENTER_CRITICAL();
    {
        pxHeapStats->xAvailableHeapSpaceInBytes = xFreeBytes;
        pxHeapStats->xMinimumEverFreeBytesRemaining = xLeastFreeBytes;
        pxHeapStats->xNumberOfSuccessfulAllocations = xAllocations;
        pxHeapStats->xNumberOfSuccessfulFrees = xFrees;
    }
    taskEXIT_CRITICAL();
}
/*-----------------------------------------------------------*/

void vPortHeapResetState( void )
{
    pxHeap = NULL;
    xFreeBytes = 0;
    xLeastFreeBytes = 0;
    xAllocations = 0;
    xFrees = 0;
}
