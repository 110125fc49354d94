/* The kernel's configuration for the program that checks the heaps, on an emulated Cortex-M4. */
#ifndef FREERTOS_CONFIG_H
#define FREERTOS_CONFIG_H

#include <stdint.h>

#define configCPU_CLOCK_HZ                   ( 25000000UL )
#define configTICK_RATE_HZ                   ( ( TickType_t ) 1000 )
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
#define configHEAP_CLEAR_MEMORY_ON_FREE      0
#define configTOTAL_HEAP_SIZE                ( ( size_t ) ( 512 * 1024 ) )

/* Many small blocks, which lie about as fragments where blocks are cut out of one piece. */
#define configDETALLOC_POOLS                                                            \
    { 64, 2200 }, { 128, 128 }, { 256, 128 }, { 512, 32 }, { 1024, 32 }, { 2048, 32 }, { 4096, 16 }

#define INCLUDE_vTaskDelete                  1
#define INCLUDE_vTaskDelay                   1
#define INCLUDE_vTaskSuspend                 1

#define configPRIO_BITS                      3
#define configKERNEL_INTERRUPT_PRIORITY      ( 7 << ( 8 - configPRIO_BITS ) )
#define configMAX_SYSCALL_INTERRUPT_PRIORITY ( 5 << ( 8 - configPRIO_BITS ) )

/* Heard, and counted: the program refuses on purpose. */
void vAsserted( void );
#define configASSERT( x )    if( ( x ) == 0 ) vAsserted()

/* As the vector table of cortex-m-rt calls them. */
#define vPortSVCHandler      SVCall
#define xPortPendSVHandler   PendSV
#define xPortSysTickHandler  SysTick

#endif
