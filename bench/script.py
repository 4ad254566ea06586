# bench/script.py: calls, dictionaries, sorting, strings and big numbers, for
# CPython in wasm; prints how many seconds they took.

import time

start = time.time()


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


fib(25)
counts = {}
for i in range(600000):
    counts[i % 1000] = counts.get(i % 1000, 0) + i
sorted((i * 7919) % 10007 for i in range(120000))
"".join(chr(97 + i % 26) for i in range(50000)).upper().count("AB")
pow(3, 100000, 10**200 + 7)
print(round(time.time() - start, 4))
