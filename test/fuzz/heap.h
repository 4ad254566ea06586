// test/fuzz/heap.h: whether a heap is whole.

#pragma once

struct heap;

// Panics where it is not.  To be called after a collection (heap_collected).
void heap_check(const struct heap *h);
