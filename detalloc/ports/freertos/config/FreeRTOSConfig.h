/* The kernel's configuration for the program that checks the heaps, on an emulated Cortex-M4. */
#ifndef FREERTOS_CONFIG_H
#define FREERTOS_CONFIG_H

#include <stdint.h>

#define configCPU_CLOCK_HZ                   ( 25000000UL )
/* The emulator's clock goes on by 1,024 ns an instruction, so a tick is 48,828 instructions: between two of them, heap_4 has finished
 * what takes it longest here. */
#define configTICK_RATE_HZ                   ( ( TickType_t ) 20 )
#define configTICK_TYPE_WIDTH_IN_BITS        TICK_TYPE_WIDTH_32_BITS
#define configUSE_PREEMPTION                 1
#define configMAX_PRIORITIES                 5
#define configMINIMAL_STACK_SIZE             ( ( uint16_t ) 256 )
#define configMAX_TASK_NAME_LEN              8
#define configUSE_IDLE_HOOK                  0
#define configUSE_TICK_HOOK                  0
#define configUSE_MUTEXES                    1
#define configUSE_TIMERS                     1
#define configTIMER_TASK_PRIORITY            ( configMAX_PRIORITIES - 1 )
#define configTIMER_QUEUE_LENGTH             8
#define configTIMER_TASK_STACK_DEPTH         512
#define configUSE_EVENT_GROUPS               1
#define configCHECK_FOR_STACK_OVERFLOW       2
#define configSUPPORT_DYNAMIC_ALLOCATION     1
#define configSUPPORT_STATIC_ALLOCATION      0
#define configUSE_MALLOC_FAILED_HOOK         1
/* build.rs defines some of these otherwise. */
#ifndef configHEAP_CLEAR_MEMORY_ON_FREE
    #define configHEAP_CLEAR_MEMORY_ON_FREE  0
#endif
#ifndef configAPPLICATION_ALLOCATED_HEAP
    #define configAPPLICATION_ALLOCATED_HEAP 0
#endif
#ifndef configTOTAL_HEAP_SIZE
    #define configTOTAL_HEAP_SIZE            ( ( size_t ) ( 512 * 1024 ) )
#endif

/* Many small blocks, which lie about as fragments where blocks are cut out of one piece. 2,200 are more than two levels of words hold
 * on 32 bits, 1,024, so theirs is the longer way. */
#ifndef configDETALLOC_POOLS
    #define configDETALLOC_POOLS                                                            \
        { 64, 2200 }, { 128, 128 }, { 256, 128 }, { 512, 32 }, { 1024, 32 }, { 2048, 32 }, { 4096, 16 }
#endif

#define INCLUDE_vTaskDelete                  1
#define INCLUDE_vTaskDelay                   1
#define INCLUDE_vTaskSuspend                 1

#define configPRIO_BITS                      3
#define configKERNEL_INTERRUPT_PRIORITY      ( 7 << ( 8 - configPRIO_BITS ) )
#define configMAX_SYSCALL_INTERRUPT_PRIORITY ( 5 << ( 8 - configPRIO_BITS ) )

/* Heard, and counted: the program refuses on purpose. */
void vAsserted( void );
#define configASSERT( x )    if( ( x ) == 0 ) vAsserted()

#endif
