// emulate_fused.cpp: the fast kernels besides convolution, run on the CPU by ref/cuda/emulate.h: every function against
// float64 loops, from poisoned outputs, with the threads of a block in three orders.
//   g++ -std=c++17 -O1 -ffp-contract=off -DEMULATE tests/emulate_fused.cpp -o emulate_fused && ./emulate_fused
// The numbers that it prints are relative errors.
#include "fused_attention.h"
#include "fused_embed.h"
#include "fused_norm.h"
#include "fused_step.h"

int main() {
    test_norms();
    test_attentions();
    test_embeddings();
    test_steps();
    return report("emulate_fused");
}
