// Running products.

#include "columns.hpp"
#include "scan.hpp"

namespace zkinfer {
namespace {

struct Multiplication {
    using Value = Fr;
    static HD Fr neutral() { return Fr::one(); }
    static HD Fr join(const Fr &first, const Fr &second) { return first * second; }
};

} // namespace
} // namespace zkinfer

using namespace zkinfer;

int32_t zkinfer_running_products(zkinfer_context *context, zkinfer_address to, zkinfer_address from, uint64_t count,
                                 const uint64_t start[4], uint64_t last[4]) {
    return guarded(context, [&](Context &context) {
        if (count == 0) throw Failure(ZKINFER_INVALID, "a running product of nothing");
        Scan<Multiplication>::run(context, Before<Fr>{at<Fr>(from), at<Fr>(to)}, count, Fr::from_words(start));
        context.download(last, at<Fr>(to) + (count - 1), sizeof(Fr));
    });
}
