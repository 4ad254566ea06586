// user/loop/main.c: never end and never call the kernel.

int
main(void)
{
    for (volatile unsigned turn = 0;; turn++)
        ;
}
