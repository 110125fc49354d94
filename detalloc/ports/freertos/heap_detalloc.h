/**
 * @file heap_detalloc.h
 * What heap_detalloc.c has beside the interface of every FreeRTOS heap. MIT License.
 */
#ifndef HEAP_DETALLOC_H
#define HEAP_DETALLOC_H

#include "FreeRTOS.h"
#include "detalloc.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Sets the heap up, so that the first allocation does not have to, which would do it on its task's stack.
 *
 * @return pdPASS, or pdFAIL if configTOTAL_HEAP_SIZE is less than xPortGetHeapBytesNeeded() or the pools cannot be.
 */
BaseType_t xPortHeapInitialise( void ) PRIVILEGED_FUNCTION;

/**
 * The least configTOTAL_HEAP_SIZE for configDETALLOC_POOLS, wherever the linker puts the heap.
 *
 * @return The bytes, or 0 if the pools cannot be: their sizes do not rise, or one has no block.
 */
size_t xPortGetHeapBytesNeeded( void ) PRIVILEGED_FUNCTION;

/**
 * The heap, for det_validate and det_get_pool_stats: in a critical section, or while no other task allocates.
 *
 * @return The allocator, or NULL before the heap is set up.
 */
det_allocator_t * pxPortHeapAllocator( void ) PRIVILEGED_FUNCTION;

#ifdef __cplusplus
}
#endif

#endif
