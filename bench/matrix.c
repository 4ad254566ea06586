// bench/matrix.c: doubles and addressing; product of two matrices.

#include "bench/bench.h"

enum { N = 320 };

static double a[N][N], b[N][N], c[N][N];

uint32_t
kernel(void)
{
    double trace = 0;

    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            a[i][k] = i * 0.5 + k;
            b[i][k] = i - k * 0.25;
            c[i][k] = 0;
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
    for (int i = 0; i < N; i++)
        trace += c[i][i];
    return (uint32_t)(int64_t)trace;
}
