/* What the files of the program know of each other. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*----------------------------------------------------------- board.c */

/* Prints text, or a number. A line ends with its own "\n". */
void say( const char * pcText );
void say_number( uint32_t ulNumber );

/* Prints a line that says whether something holds. */
void say_check( const char * pcWhat,
                bool bHolds );

/* Ends the program, and the emulator with it, with a status of 0 if and only if every check held. */
__attribute__( ( noreturn ) ) void finish( void );

/*----------------------------------------------------------- check.c */

/* Begins. Does not return. */
void check( void );

/* How often the heap has refused, and how often something was asserted that does not hold. */
extern volatile uint32_t ulRefusals, ulAsserts;

/*----------------------------------------------------------- count.c */

/* Starts the clock. False: it does not go by the instructions. Before the scheduler starts, as no interrupt may come. */
bool start_to_count( void );

/* Counts instructions and stack. In a task, while no other is ready. */
void count( void );

/* The most bytes of stack that a function of one argument takes, up to a depth. While no interrupt may come. */
size_t stack_of( const void * pvFunction,
                 uintptr_t uxArgument,
                 size_t xDepth );

#endif
