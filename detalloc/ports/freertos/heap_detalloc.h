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
 * Sets the heap up, so that the first allocation does not have to.
 *
 * @return pdPASS, or pdFAIL if configTOTAL_HEAP_SIZE has no room for the pools or their sizes do not rise.
 */
BaseType_t xPortHeapInitialise( void );

/**
 * The heap, for det_validate and det_get_pool_stats: in a critical section, or while no other task allocates.
 *
 * @return The allocator, or NULL before the heap is set up.
 */
det_allocator_t * pxPortHeapAllocator( void );

#ifdef __cplusplus
}
#endif

#endif
