/* Where the program begins on an emulated Cortex-M4, and how it prints and ends: through the debugger's door (Arm's semihosting
 * specification, version 2). */
#include "FreeRTOS.h"

#include "program.h"

/* Of board.ld. */
extern uint32_t _stack_top[], _data_begin[], _data_end[], _data_image[], _bss_begin[], _bss_end[];

/* Of the kernel's port. */
void vPortSVCHandler( void );
void xPortPendSVHandler( void );
void xPortSysTickHandler( void );

/*----------------------------------------------------------- output */

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_EXIT_EXTENDED = 0x20 };

static bool bAllHold = true;

static uint32_t prvSemihost( uint32_t ulOperation, const void * pvParameters )
{
    register uint32_t r0 __asm( "r0" ) = ulOperation;
    register const void * r1 __asm( "r1" ) = pvParameters;

    __asm volatile ( "bkpt 0xAB" : "+r" ( r0 ) : "r" ( r1 ) : "memory" );
    return r0;
}

void say( const char * pcText )
{
    static uint32_t ulOutput = 0;
    uint32_t ulParameters[ 3 ] = { 0, ( uint32_t ) pcText, 0 };

    if( ulOutput == 0 )
    {
        /* The special name of the console; 4 is "w". */
        uint32_t ulConsole[ 3 ] = { ( uint32_t ) ":tt", 4, 3 };

        ulOutput = prvSemihost( SYS_OPEN, ulConsole );
    }

    while( pcText[ ulParameters[ 2 ] ] != '\0' )
    {
        ++ulParameters[ 2 ];
    }

    ulParameters[ 0 ] = ulOutput;
    ( void ) prvSemihost( SYS_WRITE, ulParameters );
}

void say_number( uint32_t ulNumber )
{
    char cDigits[ 11 ], * pcDigit = &cDigits[ 10 ];

    *pcDigit = '\0';

    do
    {
        *--pcDigit = ( char ) ( '0' + ulNumber % 10 );
        ulNumber /= 10;
    } while( ulNumber > 0 );

    say( pcDigit );
}

void say_check( const char * pcWhat, bool bHolds )
{
    bAllHold = bAllHold && bHolds;
    say( bHolds ? "ok check " : "FAILED check " );
    say( pcWhat );
    say( "\n" );
}

void finish( void )
{
    /* ADP_Stopped_ApplicationExit, with a status. */
    uint32_t ulParameters[ 2 ] = { 0x20026, bAllHold ? 0 : 1 };

    say( bAllHold ? "all well\n" : "not well\n" );
    ( void ) prvSemihost( SYS_EXIT_EXTENDED, ulParameters );

    for( ; ; )
    {
    }
}

/*----------------------------------------------------------- start */

static void prvUnexpected( void )
{
    say_check( "no fault and no interrupt comes unexpected", false );
    finish();
}

static void prvReset( void )
{
    uint32_t * pul;
    size_t x;

    /* Access to the floating-point unit, whose registers the compiler may use (CPACR). */
    *( volatile uint32_t * ) 0xE000ED88 |= 0xFU << 20;
    __asm volatile ( "dsb\n isb" ::: "memory" );

    for( x = 0; &_data_begin[ x ] < _data_end; ++x )
    {
        _data_begin[ x ] = _data_image[ x ];
    }

    for( pul = _bss_begin; pul < _bss_end; ++pul )
    {
        *pul = 0;
    }

    check();
    finish();
}

/* Armv7-M Architecture Reference Manual, B1.5.2. */
__attribute__( ( section( ".vectors" ), used ) ) static const void * const pvVectors[ 16 ] =
{
    _stack_top,          prvReset,      prvUnexpected, prvUnexpected, prvUnexpected, prvUnexpected,      prvUnexpected,
    prvUnexpected,       prvUnexpected, prvUnexpected, prvUnexpected, vPortSVCHandler, prvUnexpected, prvUnexpected,
    xPortPendSVHandler,  xPortSysTickHandler,
};
