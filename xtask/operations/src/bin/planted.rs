//! What `cargo xtask wcet` must refuse, each in optimised code, and some that it must not.

use core::{arch::asm, hint::black_box};

/// Nothing that is known of a function's body.
type Unknown = fn(u64) -> u64;

macro_rules! planted {
    ($($(#[$doc:meta])* fn $name:ident($number:ident: u64, $slice:ident: &mut [u64]) -> u64 $body:block)*) => {
        $(
            $(#[$doc])*
            #[unsafe(export_name = concat!("operation_", stringify!($name)))]
            #[inline(never)]
            fn $name($number: u64, $slice: &mut [u64]) -> u64 $body
        )*

        /// All of them, so that the linker keeps them.
        #[used]
        static PLANTED: &[fn(u64, &mut [u64]) -> u64] = &[$($name),*];
    };
}

#[inline(never)]
fn helper(number: u64) -> u64 {
    black_box(number) ^ 0x55
}

#[inline(never)]
fn helper_with_loop(number: u64) -> u64 {
    let mut sum = 0;
    let mut left = number;
    while left != 0 {
        left = black_box(left >> 1);
        sum += 1;
    }
    sum
}

#[inline(never)]
fn even(number: u64) -> bool {
    number == 0 || odd(black_box(number - 1))
}

#[inline(never)]
fn odd(number: u64) -> bool {
    number != 0 && even(black_box(number - 1))
}

planted! {
    fn good_arithmetic(number: u64, _slice: &mut [u64]) -> u64 {
        (number.wrapping_mul(3) ^ 7).rotate_left(9)
    }

    fn good_branches(number: u64, slice: &mut [u64]) -> u64 {
        match slice.first_mut() {
            Some(first) if *first > number => *first - number,
            Some(first) => {
                *first = black_box(number);
                1
            }
            None => black_box(number) & 3,
        }
    }

    fn good_call(number: u64, _slice: &mut [u64]) -> u64 {
        helper(number) + helper(number + 1)
    }

    fn good_exception(number: u64, slice: &mut [u64]) -> u64 {
        let mut sum = number;
        // wcet: loop 4: a test of exceptions
        for value in slice.iter().take(4) {
            sum ^= black_box(*value);
        }
        sum
    }

    fn bad_loop(number: u64, slice: &mut [u64]) -> u64 {
        let mut sum = number;
        for value in slice.iter() {
            sum ^= black_box(*value);
        }
        sum
    }

    fn bad_loop_in_call(number: u64, _slice: &mut [u64]) -> u64 {
        helper_with_loop(number) + 1
    }

    fn bad_recursion(number: u64, _slice: &mut [u64]) -> u64 {
        u64::from(even(number))
    }

    fn bad_index(number: u64, slice: &mut [u64]) -> u64 {
        slice[usize::try_from(number).unwrap_or(0)]
    }

    fn bad_unwrap(number: u64, slice: &mut [u64]) -> u64 {
        *slice.iter().rev().nth(1).unwrap() + number
    }

    fn bad_format(number: u64, _slice: &mut [u64]) -> u64 {
        format!("{number}").len() as u64
    }

    fn bad_pointer(number: u64, slice: &mut [u64]) -> u64 {
        let call: Unknown = if slice.is_empty() { helper } else { helper_with_loop };
        black_box(call)(number)
    }

    fn bad_table(number: u64, slice: &mut [u64]) -> u64 {
        match number {
            0 => black_box(17),
            1 => slice.iter().next().copied().unwrap_or(0),
            2 => black_box(number) * 5,
            3 => helper(number),
            4 => black_box(number) - 9,
            5 => black_box(number) << 3,
            6 => black_box(99),
            7 => helper(number + 1),
            _ => 0,
        }
    }

    fn bad_syscall(number: u64, _slice: &mut [u64]) -> u64 {
        system_call(number)
    }

    fn bad_division(number: u64, slice: &mut [u64]) -> u64 {
        number / (slice.len() as u64 | 1)
    }

    fn bad_fill(number: u64, slice: &mut [u64]) -> u64 {
        slice.fill(0);
        number
    }

    fn bad_copy(number: u64, slice: &mut [u64]) -> u64 {
        let half = slice.len() / 2;
        let (one, other) = slice.split_at_mut(half);
        if let Some(other) = other.get_mut(..half) {
            other.copy_from_slice(one);
        }
        number
    }

    fn bad_heap(number: u64, _slice: &mut [u64]) -> u64 {
        *black_box(Box::new(number))
    }

    fn bad_lock(number: u64, _slice: &mut [u64]) -> u64 {
        static LOCK: std::sync::Mutex<u64> = std::sync::Mutex::new(0);
        *LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner) + number
    }

    fn bad_wrong_exception(number: u64, slice: &mut [u64]) -> u64 {
        let mut sum = number;
        // wcet: division: about something else
        for value in slice.iter() {
            sum += black_box(*value);
        }
        sum
    }

    fn bad_end(number: u64, slice: &mut [u64]) -> u64 {
        if slice.is_empty() {
            std::process::abort();
        }
        number
    }
}

#[inline(always)]
fn system_call(number: u64) -> u64 {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        let result: u64;
        // SAFETY: `getpid`, which changes nothing.
        unsafe {
            asm!("syscall", inlateout("rax") 39_u64 => result, lateout("rcx") _, lateout("r11") _);
        }
        result ^ number
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    {
        number
    }
}

fn main() {
    let mut slice = [1, 2, 3];
    let sum: u64 = PLANTED.iter().take(4).map(|planted| planted(2, &mut slice)).sum();
    println!("{sum}");
}
