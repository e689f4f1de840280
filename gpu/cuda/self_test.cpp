// Runs all kernels on the processor, so that sanitizers see every access; compares the devices' arithmetic, which the host only
// imitates, with the host's; and prints a line for each part. Ends with 1 where something differs.

#include <cstdio>
#include <random>

#include "columns.hpp"
#include "curve.hpp"

namespace zkinfer {
namespace {

int failures = 0;

void expect(bool holds, const char *what) {
    std::printf("%s: %s\n", what, holds ? "ok" : "WRONG");
    failures += holds ? 0 : 1;
}

std::mt19937_64 words(20);

// Residues below p: edges, residues of few words, and random ones.
template <typename P> Field<P> draw() {
    const Field<P> one_unit{{1, 0, 0, 0}};
    const uint64_t kind = words() % 8;
    if (kind == 0) return Field<P>::zero() - one_unit;
    if (kind == 1) return Field<P>{{words(), 0, 0, 0}};
    if (kind == 2) return Field<P>::zero() - Field<P>{{words() >> 32, 0, 0, 0}};
    if (kind == 3) return Field<P>{{0, 0, 0, words() % P::modulus(3)}};
    return Field<P>{{words(), words(), words(), words() % P::modulus(3)}};
}

template <typename P> void compare_products(const char *what) {
    bool same = true;
    for (int i = 0; i < 200000; ++i) {
        const Field<P> a = draw<P>(), b = draw<P>();
        Field<P> product;
        chains::multiply<P>(product.words, a.words, b.words);
        uint64_t difference[4];
        const uint64_t modulus[4] = {P::modulus(0), P::modulus(1), P::modulus(2), P::modulus(3)};
        // The chains leave what is below 2p.
        if (chains::subtract(difference, product.words, modulus) == 0) {
            for (int word = 0; word < 4; ++word) product.words[word] = difference[word];
        }
        same = same && product == a * b;
    }
    expect(same, what);
}

// A context and what is on it; whatever fails ends the program.
class Bench {
  public:
    Bench() {
        must(zkinfer_create(0, 0, &context_));
        must(zkinfer_streams(context_, streams_));
    }
    ~Bench() { zkinfer_destroy(context_); }

    void must(int32_t status) {
        if (status == ZKINFER_OK) return;
        std::printf("status %d: %s\n", status, zkinfer_error_text(context_));
        std::exit(1);
    }

    template <typename T> zkinfer_address upload(const std::vector<T> &values) {
        zkinfer_address address = 0;
        must(zkinfer_allocate(context_, values.size() * sizeof(T), 0, &address));
        must(zkinfer_upload(context_, address, values.data(), values.size() * sizeof(T)));
        return address;
    }

    // Beside the work, which waits for it.
    template <typename T> zkinfer_address send(const std::vector<T> &values) {
        zkinfer_address address = 0;
        must(zkinfer_allocate(context_, values.size() * sizeof(T), 1, &address));
        must(zkinfer_send(context_, address, values.data(), values.size() * sizeof(T)));
        uint64_t tickets[2];
        must(zkinfer_tickets(context_, tickets));
        must(zkinfer_await(context_, 0, streams_[1], tickets[1]));
        return address;
    }

    // Both streams may have used it.
    void release(zkinfer_address address) {
        must(zkinfer_free(context_, address, uint64_t{1} << streams_[0] | uint64_t{1} << streams_[1]));
    }

    std::vector<Fr> take(zkinfer_address address, uint64_t count) {
        std::vector<Fr> values(count);
        must(zkinfer_download(context_, values.data(), address, count * sizeof(Fr)));
        release(address);
        return values;
    }

    zkinfer_context *context() { return context_; }

  private:
    zkinfer_context *context_ = nullptr;
    uint32_t streams_[2];
};

std::vector<Fr> draw_scalars(uint64_t count) {
    std::vector<Fr> values(count);
    for (Fr &value : values) value = draw<ScalarParameters>();
    return values;
}

void elementwise(Bench &bench) {
    bool same = true;
    const Fr factor = draw<ScalarParameters>();
    for (const uint64_t count : {0, 1, 255, 256, 300}) {
        const std::vector<Fr> a = draw_scalars(count), b = draw_scalars(count);
        const zkinfer_address left = bench.upload(a), right = bench.upload(b);
        bench.must(zkinfer_elementwise(bench.context(), ZKINFER_SCALARS, ZKINFER_ADD_SCALED, left, left, right, factor.words, count));
        bench.must(zkinfer_invert(bench.context(), ZKINFER_SCALARS, right, right, count));
        const std::vector<Fr> sums = bench.take(left, count), inverses = bench.take(right, count);
        for (uint64_t i = 0; i < count; ++i) {
            same = same && sums[i] == a[i] + factor * b[i] && inverses[i] == b[i].inverse();
        }
    }
    expect(same, "element-wise operations");
}

// Values by Horner's rule.
void transforms(Bench &bench) {
    bool same = true;
    for (const uint32_t k : {0, 1, 2, 5, 8, 9, 10}) {
        const uint64_t size = uint64_t{1} << k;
        const zkinfer_address domain = bench.upload(std::vector<Fr>(zkinfer_domain_length(k)));
        const zkinfer_address shift = bench.upload(std::vector<Fr>(zkinfer_powers_length(k)));
        const Fr coset = draw<ScalarParameters>() + Fr::one();
        bench.must(zkinfer_domain(bench.context(), k, domain));
        bench.must(zkinfer_powers(bench.context(), k, coset.words, shift));
        const std::vector<Fr> coefficients = draw_scalars(2 * size);
        const zkinfer_address columns = bench.upload(coefficients);
        // The second column lies behind the first one, and stays on the domain.
        const zkinfer_address second = columns + size * sizeof(Fr);
        const zkinfer_transformed both[] = {{columns, columns, shift}, {second, second, 0}};
        bench.must(zkinfer_transform(bench.context(), domain, k, 0, both, 2));
        const std::vector<Fr> values = bench.take(columns, 2 * size);
        Fr omega = scalar_root_of_unity();
        for (uint32_t bits = ScalarParameters::TWO_ADICITY; bits > k; --bits) omega = omega.square();
        for (const uint64_t place : {uint64_t{0}, size / 3, size - 1, 2 * size - 1}) {
            const Fr point = (place < size ? coset : Fr::one()) * omega.power(place % size);
            Fr value = Fr::zero();
            for (uint64_t i = size; i-- > 0;) value = value * point + coefficients[place / size * size + i];
            same = same && value == values[place];
        }
        bench.release(domain);
        bench.release(shift);
    }
    expect(same, "transforms");
}

void columns(Bench &bench) {
    const uint32_t k = 5;
    const zkinfer_address domain = bench.upload(std::vector<Fr>(zkinfer_domain_length(k)));
    bench.must(zkinfer_domain(bench.context(), k, domain));
    zkinfer_column column{};
    const std::vector<int16_t> integers{-32768, 32767, 0, -1, 5};
    const std::vector<Fr> tail = draw_scalars(2);
    column.count = integers.size();
    column.width = 2;
    column.cells = bench.upload(integers);
    column.tail = bench.upload(tail);
    column.tail_count = 2;
    const zkinfer_address to = bench.upload(std::vector<Fr>(32));
    bench.must(zkinfer_expand(bench.context(), domain, k, &column, &to, 1));
    const std::vector<Fr> values = bench.take(to, 32);
    const bool same = values[0] == -Fr::integer(32768) && values[4] == Fr::integer(5) && values[7] == Fr::zero() &&
                      values[30] == tail[0] && values[31] == tail[1];
    expect(same, "columns");
    bench.release(column.cells);
    bench.release(column.tail);
    bench.release(domain);
}

// `scalar * point`, bit by bit.
Affine multiple(const Affine &point, const Fr &scalar) {
    uint64_t integer[4];
    scalar.integer_words(integer);
    Point product = Point::infinity();
    for (int bit = 255; bit >= 0; --bit) {
        product = product.doubled();
        if ((integer[bit / 64] >> bit % 64 & 1) != 0) product += point;
    }
    return product.affine();
}

void group() {
    const Affine generator{Fq::one(), Fq::one().doubled()};
    const Fr a = draw<ScalarParameters>() + Fr::one();
    const Affine point = multiple(generator, a);
    Point sum = Point::from(point), twice = sum;
    bool same = multiple(generator, Fr::zero() - Fr::one()) == -generator && sum.affine() == point;
    twice += point;
    same = same && twice.affine() == sum.doubled().affine() && twice.affine() == multiple(point, Fr::integer(2));
    Point both = twice;
    both += twice;
    same = same && both.affine() == multiple(point, Fr::integer(4));
    both += Affine::infinity();
    both += Point::infinity();
    same = same && both.affine() == multiple(point, Fr::integer(4));
    both += -both.affine();
    same = same && both.is_infinity() && both.affine() == Affine::infinity();
    both += twice;
    twice.y = -twice.y;
    both += twice;
    expect(same && both.is_infinity(), "sums of points");
}

// Whether sums over parts of the rows, begun before the ones before have ended, add up to the sums over all.
bool commit_in_parts(Bench &bench, const zkinfer_bases &bases, const zkinfer_bases &ends, zkinfer_address domain, uint32_t k,
                     const zkinfer_column *columns, const Affine (&expected)[3]) {
    const uint64_t rows = uint64_t{1} << k, cuts[] = {0, 7, rows - 2, rows};
    Point sums[3] = {Point::infinity(), Point::infinity(), Point::infinity()};
    zkinfer_commitments *begun[3];
    for (int part = 0; part < 3; ++part) {
        zkinfer_bases own{bases.points + cuts[part] * sizeof(Affine), cuts[part + 1] - cuts[part], cuts[part], 1, 0, 0};
        bench.must(zkinfer_begin_commit(bench.context(), &own, &ends, domain, k, columns, 3, &begun[part]));
        bench.must(zkinfer_start_commit(bench.context(), begun[part]));
    }
    bool same = true;
    for (zkinfer_commitments *commitments : begun) {
        Affine found[3];
        bench.must(zkinfer_end_commit(bench.context(), commitments, found[0].x.words));
        for (int column = 0; column < 3; ++column) sums[column] += found[column];
    }
    for (int column = 0; column < 3; ++column) same = same && sums[column].affine() == expected[column];
    bench.must(zkinfer_begin_commit(bench.context(), &bases, &ends, domain, k, columns, 3, &begun[0]));
    bench.must(zkinfer_end_commit(bench.context(), begun[0], nullptr));
    return same;
}

// Columns of each width, of elements, and a permutation, against sums bit by bit.
void commitments(Bench &bench) {
    constexpr uint32_t K = 6;
    constexpr uint64_t ROWS = 1 << K;
    bool same = true;
    const Affine generator{Fq::one(), Fq::one().doubled()};
    const zkinfer_address domain = bench.upload(std::vector<Fr>(zkinfer_domain_length(K)));
    bench.must(zkinfer_domain(bench.context(), K, domain));
    std::vector<Fr> factors(ROWS + 2);
    for (Fr &factor : factors) factor = Fr::integer(static_cast<int64_t>(words() % 9) - 4);
    for (uint32_t sets = 0; sets < 3; ++sets) {
        // Digits of 15 bits are sorted in two steps.
        zkinfer_bases bases{0, factors.size(), 0, 1, sets == 2 ? 15u : 5u, sets};
        if (sets != 0) bases.levels = (253 / bases.width + sets) / sets;
        std::vector<Affine> points(bases.levels * factors.size());
        for (uint64_t i = 0; i < factors.size(); ++i) points[i] = multiple(generator, factors[i]);
        bases.points = bench.upload(points);
        bench.must(zkinfer_make_multiples(bench.context(), &bases));
        // Three rows and the two points after them; more rows are summed as others are.
        zkinfer_bases ends{0, sets == 0 ? 4u : 5u, 0, 32, 8, 1};
        std::vector<Affine> last(32 * ends.count);
        for (uint64_t i = 0; i < ends.count; ++i) last[i] = points[factors.size() - ends.count + i];
        ends.points = bench.upload(last);
        bench.must(zkinfer_make_multiples(bench.context(), &ends));
        const std::vector<int8_t> integers{-128, 127, 0, -1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5};
        const std::vector<Fr> elements = draw_scalars(ROWS - 3), tail = draw_scalars(3);
        zkinfer_column columns[3]{};
        Fr expected[3] = {Fr::zero(), Fr::zero(), factors[ROWS + 1]};
        columns[0].count = integers.size();
        columns[0].width = 1;
        columns[0].cells = bench.send(integers);
        columns[1].form = ZKINFER_ELEMENTS;
        columns[1].count = elements.size();
        columns[1].cells = bench.send(elements);
        columns[2].form = ZKINFER_SIGMA;
        for (uint64_t i = 0; i < integers.size(); ++i) expected[0] += Fr::integer(integers[i]) * factors[i];
        for (uint64_t i = 0; i < elements.size(); ++i) expected[1] += elements[i] * factors[i];
        for (int column = 0; column < 2; ++column) {
            columns[column].tail = bench.upload(tail);
            columns[column].tail_count = 3;
            for (uint64_t i = 0; i < 3; ++i) expected[column] += tail[i] * factors[ROWS - 3 + i];
        }
        Affine found[3];
        bench.must(zkinfer_commit(bench.context(), &bases, &ends, domain, K, columns, 3, found[0].x.words));
        for (int column = 0; column < 3; ++column) same = same && found[column] == multiple(generator, expected[column]);
        same = same && commit_in_parts(bench, bases, ends, domain, K, columns, found);
        bench.release(bases.points);
        bench.release(ends.points);
        for (int column = 0; column < 2; ++column) {
            bench.release(columns[column].cells);
            bench.release(columns[column].tail);
        }
    }
    bench.release(domain);
    expect(same, "commitments");
}

// Products that commitments take, and those of them that wait for each other.
struct Work {
    uint64_t products;
    uint64_t depth;
};

// Whatever the scalars are, a sum takes no more work than for random ones, and no thread has more of it.
void skew(Bench &bench) {
    constexpr uint32_t K = 12;
    constexpr uint64_t ROWS = 1 << K;
    const zkinfer_address domain = bench.upload(std::vector<Fr>(zkinfer_domain_length(K)));
    bench.must(zkinfer_domain(bench.context(), K, domain));
    const Affine generator{Fq::one(), Fq::one().doubled()};
    std::vector<Affine> points;
    for (uint64_t i = 0; i < ROWS + 2; ++i) points.push_back(multiple(generator, Fr::integer(static_cast<int64_t>(i + 1))));
    zkinfer_bases bases{bench.upload(points), points.size(), 0, 1, 0, 0}, ends{0, 2, 0, 32, 8, 1};
    ends.points = bench.upload(std::vector<Affine>(64, generator));
    const auto measure = [&](uint32_t form, const auto &cells) {
        zkinfer_column column{};
        column.form = form;
        column.width = 1;
        column.count = cells.size();
        column.cells = bench.upload(cells);
        bench.must(zkinfer_synchronize(bench.context()));
        const Work before{product_count, product_depth};
        Affine found;
        bench.must(zkinfer_commit(bench.context(), &bases, &ends, domain, K, &column, 1, found.x.words));
        bench.release(column.cells);
        return Work{product_count - before.products, product_depth - before.depth};
    };
    const auto no_more = [](const char *what, const Work &work, const Work &random) {
        std::printf("%s: %.1f products a row, %llu in a row\n", what, static_cast<double>(work.products) / ROWS,
                    static_cast<unsigned long long>(work.depth));
        return work.products <= random.products && work.depth <= random.depth + random.depth / 8;
    };
    std::vector<int8_t> bytes(ROWS), equal_bytes(ROWS, -7), few_bytes(ROWS, 0);
    std::vector<Fr> elements = draw_scalars(ROWS), equal_elements(ROWS, elements[0]), few_elements(ROWS, Fr::zero());
    for (uint64_t i = 0; i < ROWS; ++i) {
        elements[i] = Fr{{words(), words(), words(), words() % ScalarParameters::modulus(3)}};
        bytes[i] = static_cast<int8_t>(words());
        if (i % 10 == 0) few_bytes[i] = bytes[i];
        if (i % 10 == 0) few_elements[i] = elements[i];
    }
    const Work of_bytes = measure(ZKINFER_INTEGERS, bytes), of_elements = measure(ZKINFER_ELEMENTS, elements);
    bool same = no_more("random bytes", of_bytes, of_bytes);
    same = no_more("equal bytes", measure(ZKINFER_INTEGERS, equal_bytes), of_bytes) && same;
    same = no_more("a tenth of them", measure(ZKINFER_INTEGERS, few_bytes), of_bytes) && same;
    same = no_more("random elements", of_elements, of_elements) && same;
    same = no_more("equal elements", measure(ZKINFER_ELEMENTS, equal_elements), of_elements) && same;
    same = no_more("a tenth of them", measure(ZKINFER_ELEMENTS, few_elements), of_elements) && same;
    for (const zkinfer_address address : {domain, bases.points, ends.points}) bench.release(address);
    expect(same, "work that does not depend on the distribution");
}

// Columns of all forms with tails, in sums, evaluations and a program.
void rows(Bench &bench) {
    const uint32_t k = 6;
    const uint64_t size = uint64_t{1} << k;
    zkinfer_context *context = bench.context();
    const zkinfer_address domain = bench.upload(std::vector<Fr>(zkinfer_domain_length(k)));
    bench.must(zkinfer_domain(context, k, domain));
    const std::vector<Fr> drawn = draw_scalars(size);
    zkinfer_column narrow{}, wide{}, listed{}, moved{};
    narrow.count = size - 2;
    narrow.width = 1;
    narrow.cells = bench.upload(std::vector<int8_t>(size - 2, -128));
    narrow.tail = bench.upload(draw_scalars(2));
    narrow.tail_count = 2;
    wide.count = 3;
    wide.width = 8;
    wide.cells = bench.upload(std::vector<int64_t>{INT64_MIN, INT64_MAX, -1});
    listed.form = ZKINFER_SPARSE;
    listed.count = 2;
    listed.rows = bench.upload(std::vector<uint32_t>{0, 9});
    listed.cells = bench.upload(draw_scalars(2));
    moved.form = ZKINFER_SIGMA;
    moved.count = 2;
    moved.column = 1;
    moved.rows = bench.upload(std::vector<uint32_t>{3, 63});
    moved.cells = bench.upload(std::vector<uint32_t>{0, 63, 2, 0});
    const zkinfer_column columns[] = {narrow, wide, listed, moved};
    std::vector<Fr> sum(size, drawn[0]);
    std::vector<zkinfer_term> terms;
    std::vector<zkinfer_query> queries;
    // The weights of a point need not be those of one for sums over rows to be compared but for what the weights' sum stands for.
    std::vector<Fr> weights = drawn;
    Fr others = Fr::one();
    for (uint64_t row = 1; row < size; ++row) others -= weights[row];
    weights[0] = others;
    std::vector<std::vector<Fr>> values;
    for (const zkinfer_column &column : columns) {
        const zkinfer_address full = bench.upload(std::vector<Fr>(size));
        bench.must(zkinfer_expand(context, domain, k, &column, &full, 1));
        values.push_back(bench.take(full, size));
        zkinfer_term term{column, {}};
        std::memcpy(term.factor, drawn[1].words, sizeof term.factor);
        terms.push_back(term);
        queries.push_back(zkinfer_query{column, -1, 0});
        for (uint64_t row = 0; row < size; ++row) sum[row] += drawn[1] * values.back()[row];
    }
    const zkinfer_address to = bench.upload(std::vector<Fr>(size));
    const Fr zero = Fr::zero();
    // The second place gets the product of the sum and what the row's point stands for.
    const zkinfer_address squared = bench.upload(std::vector<Fr>(size));
    const auto sum_to = [&](zkinfer_address place, uint64_t count, const Fr &identity, const Fr &constant, uint32_t mode) {
        zkinfer_sum described{place, count, {}, {}, mode, 0};
        std::memcpy(described.identity, identity.words, sizeof identity.words);
        std::memcpy(described.constant, constant.words, sizeof constant.words);
        return described;
    };
    const std::vector<zkinfer_sum> sums{sum_to(to, terms.size(), zero, drawn[0], ZKINFER_SET),
                                        sum_to(squared, terms.size(), zero, drawn[0], ZKINFER_SET),
                                        sum_to(squared, 0, drawn[2], drawn[3], ZKINFER_AND_MULTIPLY)};
    std::vector<zkinfer_term> listed_terms = terms;
    listed_terms.insert(listed_terms.end(), terms.begin(), terms.end());
    bench.must(zkinfer_combine(context, domain, k, listed_terms.data(), sums.data(), sums.size()));
    const zkinfer_address fractions = bench.upload(std::vector<Fr>(size));
    // Divided by zero in the first row.
    const Fr above[] = {drawn[2], drawn[3]}, below[] = {Fr::one(), -Fr::one()};
    bench.must(zkinfer_fractions(context, domain, k, above[0].words, below[0].words, fractions));
    bool same = bench.take(to, size) == sum;
    const std::vector<Fr> products = bench.take(squared, size), quotients = bench.take(fractions, size);
    const Fr omega = scalar_root_of_order(k);
    for (uint64_t row = 0; row < size; ++row) {
        const Fr point = omega.power(row), line = drawn[2] * point + drawn[3];
        same = same && products[row] == sum[row] * line && quotients[row] == line * (point - Fr::one()).inverse();
    }
    expect(same, "sums of columns");

    // That of the permutation is left out: it takes a point for granted.
    const zkinfer_address at = bench.upload(weights);
    std::vector<Fr> found(3);
    bench.must(zkinfer_evaluate(context, domain, k, at, zero.words, queries.data(), 3, found[0].words));
    same = true;
    for (uint64_t i = 0; i < found.size(); ++i) {
        Fr value = Fr::zero();
        for (uint64_t row = 0; row < size; ++row) value += weights[(row + 1) % size] * values[i][row];
        same = same && value == found[i];
    }
    expect(same, "evaluations");

    const zkinfer_address slots[] = {bench.upload(values[0]), bench.upload(values[3])};
    const zkinfer_instruction steps[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, -1}, {ZKINFER_POINT, 0, 0}},
        {ZKINFER_DIFFERENCE, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 7}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
    };
    for (const uint32_t registers : {2, 9, 40}) {
        const zkinfer_program program{steps, 3, slots, drawn[2].words, 2, 1, registers, 0};
        const zkinfer_address result = bench.upload(drawn);
        uint32_t printed = 1;
        bench.must(zkinfer_run_program(context, domain, k, &program, drawn[3].words, 1, result, &printed));
        const std::vector<Fr> rows = bench.take(result, size);
        bool same = printed == 0;
        for (uint64_t row = 0; row < size; ++row) {
            const Fr point = drawn[3] * scalar_root_of_order(k).power(row);
            const Fr product = values[0][(row + size - 1) % size] * point;
            same = same && rows[row] == drawn[row] + product - values[3][(row + 7) % size] + drawn[2] * product;
        }
        expect(same, "a program");
    }
    for (const zkinfer_address address : {slots[0], slots[1], at, domain, narrow.cells, narrow.tail, wide.cells, listed.rows,
                                          listed.cells, moved.rows, moved.cells}) {
        bench.release(address);
    }
}

void running_products(Bench &bench) {
    bool same = true;
    for (const uint64_t count : {1, 2, 1023, 1024, 1025, 3000}) {
        const std::vector<Fr> factors = draw_scalars(count);
        const zkinfer_address place = bench.upload(factors);
        Fr last;
        const Fr start = Fr::integer(3);
        bench.must(zkinfer_running_products(bench.context(), place, place, count, start.words, last.words));
        const std::vector<Fr> products = bench.take(place, count);
        Fr expected = start;
        for (uint64_t i = 0; i < count; ++i) {
            same = same && products[i] == expected;
            if (i + 1 < count) expected *= factors[i];
        }
        same = same && last == expected;
    }
    expect(same, "running products");
}

void recurrences(Bench &bench) {
    bool same = true;
    for (const uint64_t count : {0, 1, 2, 1023, 1024, 1025, 3000}) {
        const std::vector<Fr> steps = draw_scalars(count), reads = draw_scalars(count);
        const zkinfer_address place = bench.upload(reads), factors = bench.upload(steps);
        const zkinfer_address spread = bench.upload(std::vector<Fr>(3 * count + 1));
        bench.must(zkinfer_recurrence(bench.context(), factors, place, count));
        bench.must(zkinfer_place(bench.context(), spread, 1, 3, place, count));
        const std::vector<Fr> sums = bench.take(place, count), placed = bench.take(spread, 3 * count + 1);
        bench.release(factors);
        Fr expected = Fr::zero();
        for (uint64_t i = 0; i < count; ++i) {
            expected = expected * steps[i] + reads[i];
            same = same && sums[i] == expected && placed[3 * i + 1] == expected;
        }
    }
    expect(same, "recurrences");
}

// Forms and products of cells of two columns, which end before the rows do.
void recipes(Bench &bench) {
    const uint32_t k = 9;
    const uint64_t rows = 260;
    zkinfer_column narrow{}, full{};
    std::vector<int16_t> integers(500);
    for (int16_t &integer : integers) integer = static_cast<int16_t>(words() % 3) - 1;
    integers[7] = INT16_MIN;
    narrow.count = integers.size();
    narrow.width = 2;
    narrow.cells = bench.upload(integers);
    const std::vector<Fr> elements = draw_scalars(100);
    full.form = ZKINFER_ELEMENTS;
    full.count = elements.size();
    full.cells = bench.upload(elements);
    const zkinfer_cells spread{narrow, 3, 2, 240}, near{full, 0, 1, 300};
    const auto integer = [&](uint64_t row) { return row < 240 ? Fr::integer(integers[3 + 2 * row]) : Fr::zero(); };
    const auto element = [&](uint64_t row) { return row < elements.size() ? elements[row] : Fr::zero(); };
    const std::vector<Fr> factors = draw_scalars(3), operand = draw_scalars(2 * rows);
    zkinfer_cell_term terms[] = {{spread, {}}, {near, {}}};
    std::memcpy(terms[0].factor, factors[0].words, sizeof(Fr));
    std::memcpy(terms[1].factor, factors[1].words, sizeof(Fr));
    zkinfer_linear_form forms[] = {{1, {}}, {1, {}}, {0, {}}};
    std::memcpy(forms[1].constant, factors[2].words, sizeof(Fr));
    const zkinfer_address form = bench.upload(std::vector<Fr>(3 * rows, factors[0]));
    bench.must(zkinfer_sum_cells(bench.context(), k, terms, forms, 3, rows, form));
    const std::vector<Fr> sums = bench.take(form, 3 * rows);
    const zkinfer_gate gates[] = {{spread, 0, 0}, {near, 1, 0}, {spread, 1, 0}};
    zkinfer_product products[] = {{{}, gates, 2, 0, bench.upload(operand), 1, 2, rows - 1, -2}, {{}, gates + 2, 1, 0, 0, 0, 1, 0, 0}};
    std::memcpy(products[0].factor, factors[0].words, sizeof(Fr));
    const Fr one = Fr::one();
    std::memcpy(products[1].factor, one.words, sizeof(Fr));
    const zkinfer_address to = bench.upload(operand);
    bench.must(zkinfer_add_products(bench.context(), k, products, 2, ZKINFER_AND_ADD, rows, to));
    const std::vector<Fr> found = bench.take(to, 2 * rows);
    bool same = true;
    for (uint64_t row = 0; row < rows; ++row) {
        same = same && sums[row] == factors[0] * integer(row) && sums[2 * rows + row].is_zero();
        same = same && sums[rows + row] == factors[2] + factors[1] * element(row);
        Fr expected = operand[row] + Fr::one() - integer(row);
        if (row >= 2) expected += factors[0] * operand[1 + 2 * (row - 2)] * integer(row) * (Fr::one() - element(row));
        same = same && found[row] == expected;
    }
    same = same && found[rows] == operand[rows];
    expect(same, "forms and products of cells");
    for (const zkinfer_address address : {narrow.cells, full.cells, products[0].operand}) bench.release(address);
}

// Rows in two waves: products of sources, and a long run that takes their results up.
void scalar_rows(Bench &bench) {
    const uint32_t k = 9;
    const uint32_t count = 300;
    const zkinfer_address domain = bench.upload(std::vector<Fr>(zkinfer_domain_length(k)));
    bench.must(zkinfer_domain(bench.context(), k, domain));
    const std::vector<Fr> elements = draw_scalars(512), factors = draw_scalars(1);
    zkinfer_column source{}, ones{}, step{}, none{};
    source.form = ZKINFER_ELEMENTS;
    source.count = elements.size();
    source.cells = bench.upload(elements);
    ones.count = count;
    ones.width = 1;
    ones.cells = bench.upload(std::vector<int8_t>(count, 1));
    std::vector<int8_t> switches(count, 0);
    for (uint32_t row = 151; row < count; ++row) switches[row] = 1;
    step.count = count;
    step.width = 1;
    step.cells = bench.upload(switches);
    none.width = 1;
    zkinfer_term steps[] = {{step, {}}};
    std::memcpy(steps[0].factor, factors[0].words, sizeof(Fr));
    std::vector<uint32_t> operands, order;
    for (uint32_t row = 0; row < count; ++row) {
        order.push_back(row);
        const std::vector<uint32_t> cells = row < 150 ? std::vector<uint32_t>{ZKINFER_SOURCE, row + 3, ZKINFER_FIRST_OPERAND, row}
                                                      : std::vector<uint32_t>{ZKINFER_RESULT, row - 150, ZKINFER_SECOND_OPERAND, row - 150};
        operands.insert(operands.end(), cells.begin(), cells.end());
    }
    std::vector<Fr> a(count), b(count), c(count);
    for (uint32_t row = 0; row < count; ++row) {
        a[row] = row < 150 ? elements[row + 3] : c[row - 150];
        b[row] = row < 150 ? a[row] : b[row - 150];
        c[row] = a[row] * b[row] + a[row] + (switches[row] == 1 ? factors[0] * c[row - 1] : Fr::zero());
    }
    const zkinfer_address list = bench.upload(operands), places = bench.upload(order);
    bool same = true;
    for (const uint32_t wide : {0, 1}) {
        const zkinfer_wave waves[] = {{0, 150, 1 - wide, 0}, {150, 150, wide, 0}};
        zkinfer_scalar_unit unit{&source, 1, steps, 1, ones, ones, none, list, places, waves, 2, 0, 0, 0};
        unit.a = bench.upload(std::vector<Fr>(count));
        unit.b = bench.upload(std::vector<Fr>(count));
        unit.c = bench.upload(std::vector<Fr>(count));
        bench.must(zkinfer_scalar_rows(bench.context(), domain, k, &unit));
        same = same && bench.take(unit.a, count) == a && bench.take(unit.b, count) == b && bench.take(unit.c, count) == c;
    }
    expect(same, "rows of the scalar unit");
    for (const zkinfer_address address : {domain, source.cells, ones.cells, step.cells, list, places}) {
        bench.release(address);
    }
}

void matrices(Bench &bench) {
    const uint64_t rows = 130;
    const std::vector<Fr> matrix = draw_scalars(9), cells = draw_scalars(3 * rows);
    std::vector<zkinfer_address> columns;
    for (uint64_t i = 0; i < 3; ++i) {
        columns.push_back(bench.upload(std::vector<Fr>(cells.begin() + i * rows, cells.begin() + (i + 1) * rows)));
    }
    bench.must(zkinfer_multiply_columns(bench.context(), rows, columns.data(), 3, matrix[0].words));
    bool same = true;
    for (uint64_t i = 0; i < 3; ++i) {
        const std::vector<Fr> found = bench.take(columns[i], rows);
        for (uint64_t row = 0; row < rows; ++row) {
            const Fr expected = matrix[3 * i] * cells[row] + matrix[3 * i + 1] * cells[rows + row] +
                                matrix[3 * i + 2] * cells[2 * rows + row];
            same = same && found[row] == expected;
        }
    }
    expect(same, "products of matrices and columns");
}

} // namespace
} // namespace zkinfer

int main() {
    using namespace zkinfer;
    compare_products<ScalarParameters>("products of scalars by chains");
    compare_products<CoordinateParameters>("products of coordinates by chains");
    Bench bench;
    elementwise(bench);
    transforms(bench);
    columns(bench);
    rows(bench);
    running_products(bench);
    recurrences(bench);
    recipes(bench);
    scalar_rows(bench);
    matrices(bench);
    group();
    commitments(bench);
    skew(bench);
    return failures == 0 ? 0 : 1;
}
