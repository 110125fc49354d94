/**
 * @file heap_detalloc.c
 * FreeRTOS' heap in constant time: takes the place of heap_4.c, over detalloc's C interface. MIT License.
 *
 * Compile it instead of the kernel's own portable/MemMang/heap_*.c, put detalloc.h into the include path, and link the library
 * (freestanding, without the feature stdio). It has the whole interface of heap_4.c; what is different:
 *
 * - Blocks come from pools of fixed sizes, so that allocating and freeing take the same time whatever has happened before, and
 *   nothing fragments. A request gets a whole block; a class that has run dry takes a block of a larger one.
 * - Both run in a critical section instead of suspending the scheduler: they are shorter than what resuming it takes.
 * - What is no live block of the heap is refused, reaches configASSERT, and changes nothing.
 *
 * In FreeRTOSConfig.h, beside what heap_4.c reads (configTOTAL_HEAP_SIZE, configAPPLICATION_ALLOCATED_HEAP,
 * configUSE_MALLOC_FAILED_HOOK, configHEAP_CLEAR_MEMORY_ON_FREE, configASSERT):
 *
 * - configDETALLOC_POOLS: the pools, as { size, count }, { size, count }, ... with sizes that rise, in a buffer of
 *   configTOTAL_HEAP_SIZE together with some 1 KiB and 100 bytes a pool. Without it, eight sizes from 32 to 4096 bytes share
 *   the heap evenly; a size that gets no block is left out.
 *
 * The heap is set up by the first allocation, which writes to every page of it, or before that by xPortHeapInitialise().
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

#ifndef configHEAP_CLEAR_MEMORY_ON_FREE
    #define configHEAP_CLEAR_MEMORY_ON_FREE 0
#endif

#if( configAPPLICATION_ALLOCATED_HEAP == 1 )
    extern uint8_t ucHeap[ configTOTAL_HEAP_SIZE ];
#else
    static uint8_t ucHeap[ configTOTAL_HEAP_SIZE ];
#endif

/* What the default leaves for metadata, and what each of its sizes gets. */
#define heapMETADATA    ( 2048 + ( configTOTAL_HEAP_SIZE ) / 16 )
#define heapSHARE       ( ( configTOTAL_HEAP_SIZE ) > heapMETADATA ? ( ( configTOTAL_HEAP_SIZE ) - heapMETADATA ) / 8 : 0 )

#ifndef configDETALLOC_POOLS
    #define configDETALLOC_POOLS                                                              \
        { 32, heapSHARE / 32 }, { 64, heapSHARE / 64 }, { 128, heapSHARE / 128 },             \
        { 256, heapSHARE / 256 }, { 512, heapSHARE / 512 }, { 1024, heapSHARE / 1024 },       \
        { 2048, heapSHARE / 2048 }, { 4096, heapSHARE / 4096 }
#endif

static const det_pool_config_t xPools[] = { configDETALLOC_POOLS };

#define heapPOOLS    ( sizeof( xPools ) / sizeof( xPools[ 0 ] ) )

/* NULL until the heap is set up. All of these are touched in critical sections. */
static det_allocator_t * pxHeap = NULL;
static size_t xFreeBytes = 0;
static size_t xLeastFreeBytes = 0;
static size_t xAllocations = 0;
static size_t xFrees = 0;

/* Sets the heap up. In a critical section, or before the scheduler starts. */
static BaseType_t prvInitialise( void )
{
    det_config_t xConfig = det_default_config();
    det_pool_stats_t xStats;
    size_t xPool;
    size_t xAllBytes = 0;

    xConfig.pool_count = 0;
    xConfig.enable_stats = false;
    xConfig.enable_validation = false;

    for( xPool = 0; ( xPool < heapPOOLS ) && ( xConfig.pool_count < DET_MAX_POOLS ); ++xPool )
    {
        if( xPools[ xPool ].block_count > 0 )
        {
            xConfig.pools[ xConfig.pool_count ] = xPools[ xPool ];
            ++xConfig.pool_count;
        }
    }

    pxHeap = det_alloc_init( ucHeap, sizeof( ucHeap ), &xConfig );

    for( xPool = 0; det_get_pool_stats( pxHeap, xPool, &xStats ) == DET_OK; ++xPool )
    {
        xAllBytes += xStats.block_size * xStats.block_count;
    }

    xFreeBytes = xAllBytes;
    xLeastFreeBytes = xAllBytes;
    return ( pxHeap != NULL ) ? pdPASS : pdFAIL;
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
                xFreeBytes -= det_alloc_usable_size( pxHeap, pvBlock );
                xLeastFreeBytes = ( xFreeBytes < xLeastFreeBytes ) ? xFreeBytes : xLeastFreeBytes;
                ++xAllocations;
            }

            traceMALLOC( pvBlock, xWantedSize );
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
        taskENTER_CRITICAL();
        {
            /* 0 for what is no live block, which is refused below. */
            size_t xBytes = det_alloc_usable_size( pxHeap, pv );

            #if( configHEAP_CLEAR_MEMORY_ON_FREE == 1 )
            {
                ( void ) memset( pv, 0, xBytes );
            }
            #endif

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
