// user/traps/conversion.c: a number that is no integer.

__attribute__((noinline)) int
convert_not_a_number(volatile float *zero)
{
    return __builtin_wasm_trunc_s_i32_f32(*zero / *zero);
}

int
main(void)
{
    volatile float zero = 0;

    return convert_not_a_number(&zero);
}
