// What each lane computes on its own: PTX ISA, "Integer Arithmetic", "Floating Point", "Comparison and Selection",
// "Logic and Shift" and "Data Movement and Conversion Instructions".
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "base/tensor.h"
#include "ptx/forms.h"

namespace mt::ptx {

namespace {

using S16 = std::int16_t;
using S32 = std::int32_t;
using S64 = std::int64_t;
using U16 = std::uint16_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;

template <class T>
T value_of(U64 bits) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<float>(static_cast<U32>(bits));
  else if constexpr (std::is_same_v<T, bool>)
    return bits != 0;
  else
    return static_cast<T>(bits);
}
template <class T>
U64 bits_of(T value) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<U32>(value);
  else if constexpr (std::is_same_v<T, bool>)
    return value ? 1 : 0;
  else
    return static_cast<std::make_unsigned_t<T>>(value);
}

// A function of one lane, in the types of the instruction, for all of them.
template <class One, class To, class... From, std::size_t... i>
void compute(Mask lanes, Row* rows, const Slot* operands, To (*)(From...), std::index_sequence<i...>) {
  std::uint64_t* to = rows[operands[0]].data();
  const std::array<const std::uint64_t*, sizeof...(i)> from{rows[operands[i + 1]].data()...};
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((lanes >> lane & 1) != 0) to[lane] = bits_of(One{}(value_of<From>(from[i][lane])...));
  }
}
template <class To, class... From>
std::index_sequence_for<From...> sources_of(To (*)(From...));

template <class One>
Form each(One one) {
  using Sources = decltype(sources_of(+one));
  Form made;
  made.instruction.action = Action::compute;
  made.instruction.compute = [](Mask lanes, Row* rows, const Slot* operands) {
    compute<One>(lanes, rows, operands, +One{}, Sources{});
  };
  made.operands = "d";
  for (std::size_t i = 0; i < Sources::size(); ++i) made.operands += " s";
  return made;
}

// A NaN only where both are, and -0 below +0.
float maximum(float a, float b) {
  if (std::isnan(a)) return b;
  if (std::isnan(b)) return a;
  if (a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

// The card's is an approximation with a relative error of up to 2^-22; subnormal numbers are zeros, as here.
float power_of_two(float x) {
  const float y = std::exp2(x);
  return y < std::numeric_limits<float>::min() ? 0 : y;
}

// a's lowest `count` bits in b, from bit `first` on.
U32 insert_bits(U32 a, U32 b, U32 first, U32 count) {
  first &= 255;
  count &= 255;
  for (U32 i = 0; i < count && first + i < 32; ++i) {
    b &= ~(U32{1} << (first + i));
    b |= (a >> i & 1) << (first + i);
  }
  return b;
}

// `count` bits of a, from bit `first` on.
U32 extract_bits(U32 a, U32 first, U32 count) {
  U32 bits = 0;
  for (U32 i = 0; i < (count & 255) && (first & 255) + i < 32; ++i) bits |= (a >> ((first & 255) + i) & 1) << i;
  return bits;
}

U16 half_of(float x) { return static_cast<U16>(to_half(x)); }
U16 bfloat16_of(float x) { return static_cast<U16>(to_bfloat16(x)); }
U32 two(U16 low, U16 high) { return static_cast<U32>(low) | static_cast<U32>(high) << 16; }

void unpack(Mask lanes, Row* rows, const Slot* operands) {
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((lanes >> lane & 1) == 0) continue;
    const auto word = static_cast<U32>(rows[operands[2]][lane]);
    rows[operands[0]][lane] = word & 0xFFFF;
    rows[operands[1]][lane] = word >> 16;
  }
}

using Forms = std::unordered_map<std::string, Form>;

template <class T>
void add_comparisons(Forms& forms, const std::string& type) {
  forms["setp.eq." + type] = each([](T a, T b) { return a == b; });
  forms["setp.ne." + type] = each([](T a, T b) { return a != b; });
  forms["setp.lt." + type] = each([](T a, T b) { return a < b; });
  forms["setp.le." + type] = each([](T a, T b) { return a <= b; });
  forms["setp.gt." + type] = each([](T a, T b) { return a > b; });
  forms["setp.ge." + type] = each([](T a, T b) { return a >= b; });
}

// Those of numbers are false where one is NaN, these are true. The C++ operator != is of this kind.
void add_float_comparisons(Forms& forms) {
  add_comparisons<float>(forms, "f32");
  forms["setp.neu.f32"] = forms["setp.ne.f32"];
  forms["setp.ne.f32"] = each([](float a, float b) { return a < b || a > b; });
  forms["setp.equ.f32"] = each([](float a, float b) { return !(a < b || a > b); });
  forms["setp.ltu.f32"] = each([](float a, float b) { return !(a >= b); });
  forms["setp.leu.f32"] = each([](float a, float b) { return !(a > b); });
  forms["setp.gtu.f32"] = each([](float a, float b) { return !(a <= b); });
  forms["setp.geu.f32"] = each([](float a, float b) { return !(a < b); });
}

// Additions and the like are the same for signed and unsigned numbers, and wrap.
template <class U>
void add_integers(Forms& forms, const std::string& bits) {
  for (const char* sign : {".s", ".u"}) {
    forms["add" + (sign + bits)] = each([](U a, U b) { return static_cast<U>(a + b); });
    forms["sub" + (sign + bits)] = each([](U a, U b) { return static_cast<U>(a - b); });
    forms["mul.lo" + (sign + bits)] = each([](U a, U b) { return static_cast<U>(U64{a} * b); });
    forms["mad.lo" + (sign + bits)] = each([](U a, U b, U c) { return static_cast<U>(U64{a} * b + c); });
  }
  forms["and.b" + bits] = each([](U a, U b) { return static_cast<U>(a & b); });
  forms["or.b" + bits] = each([](U a, U b) { return static_cast<U>(a | b); });
  forms["xor.b" + bits] = each([](U a, U b) { return static_cast<U>(a ^ b); });
  forms["not.b" + bits] = each([](U a) { return static_cast<U>(~a); });
  // More than all bits are shifted out.
  constexpr U32 all = 8 * sizeof(U);
  forms["shl.b" + bits] = each([](U a, U32 n) { return static_cast<U>(n < all ? a << n : 0); });
  forms["shr.u" + bits] = each([](U a, U32 n) { return static_cast<U>(n < all ? a >> n : 0); });
  for (const char* type : {".b", ".s", ".u"}) {
    forms["mov" + (type + bits)] = each([](U a) { return a; });
    forms["selp" + (type + bits)] = each([](U a, U b, bool first) { return first ? a : b; });
  }
  using S = std::make_signed_t<U>;
  forms["neg.s" + bits] = each([](U a) { return static_cast<U>(0 - a); });
  forms["max.u" + bits] = each([](U a, U b) { return a > b ? a : b; });
  forms["max.s" + bits] = each([](S a, S b) { return a > b ? a : b; });
  add_comparisons<U>(forms, "u" + bits);
  add_comparisons<S>(forms, "s" + bits);
  forms["setp.eq.b" + bits] = forms["setp.eq.u" + bits];
  forms["setp.ne.b" + bits] = forms["setp.ne.u" + bits];
}

void add_floats(Forms& forms) {
  forms["mov.f32"] = each([](float a) { return a; });
  forms["selp.f32"] = each([](float a, float b, bool first) { return first ? a : b; });
  forms["add.f32"] = each([](float a, float b) { return a + b; });
  forms["sub.f32"] = each([](float a, float b) { return a - b; });
  forms["mul.f32"] = each([](float a, float b) { return a * b; });
  forms["fma.rn.f32"] = each([](float a, float b, float c) { return std::fma(a, b, c); });
  forms["div.rn.f32"] = each([](float a, float b) { return a / b; });
  forms["rcp.rn.f32"] = each([](float a) { return 1 / a; });
  forms["sqrt.rn.f32"] = each([](float a) { return std::sqrt(a); });
  forms["ex2.approx.ftz.f32"] = each([](float a) { return power_of_two(a); });
  forms["max.f32"] = each([](float a, float b) { return maximum(a, b); });
  forms["abs.f32"] = each([](U32 a) { return a & 0x7FFFFFFF; });
  forms["neg.f32"] = each([](U32 a) { return a ^ 0x80000000; });
  forms["copysign.f32"] = each([](U32 a, U32 b) { return (a & 0x80000000) | (b & 0x7FFFFFFF); });  // a's sign
}

void add_conversions(Forms& forms) {
  forms["cvt.u16.u32"] = each([](U32 a) { return static_cast<U16>(a); });
  forms["cvt.u64.u16"] = each([](U16 a) { return U64{a}; });
  forms["cvt.u32.u16"] = each([](U16 a) { return U32{a}; });
  forms["cvt.u32.u64"] = each([](U64 a) { return static_cast<U32>(a); });
  forms["cvt.u64.u32"] = each([](U32 a) { return U64{a}; });
  forms["cvt.s64.s32"] = each([](S32 a) { return S64{a}; });
  forms["cvt.rn.f32.s32"] = each([](S32 a) { return static_cast<float>(a); });
  forms["cvt.rn.f32.u32"] = each([](U32 a) { return static_cast<float>(a); });
  forms["cvt.rn.f32.u64"] = each([](U64 a) { return static_cast<float>(a); });
  forms["cvt.f32.f16"] = each([](U16 a) { return to_float(static_cast<Half>(a)); });
  forms["cvt.rn.f16.f32"] = each([](float a) { return half_of(a); });
  forms["cvt.rn.bf16.f32"] = each([](float a) { return bfloat16_of(a); });
  // The first operand goes to the upper half.
  forms["cvt.rn.f16x2.f32"] = each([](float a, float b) { return two(half_of(b), half_of(a)); });
  forms["cvt.rn.bf16x2.f32"] = each([](float a, float b) { return two(bfloat16_of(b), bfloat16_of(a)); });
}

Forms all_forms() {
  Forms forms;
  add_integers<U16>(forms, "16");
  add_integers<U32>(forms, "32");
  add_integers<U64>(forms, "64");
  forms["mul.wide.u16"] = each([](U16 a, U16 b) { return U32{a} * b; });
  forms["mul.hi.u16"] = each([](U16 a, U16 b) { return static_cast<U16>(U32{a} * b >> 16); });
  forms["mul.wide.u32"] = each([](U32 a, U32 b) { return U64{a} * b; });
  forms["mul.wide.s32"] = each([](S32 a, S32 b) { return S64{a} * b; });
  forms["bfe.u32"] = each([](U32 a, U32 first, U32 count) { return extract_bits(a, first, count); });
  forms["bfi.b32"] = each([](U32 a, U32 b, U32 first, U32 count) { return insert_bits(a, b, first, count); });
  add_floats(forms);
  add_float_comparisons(forms);
  add_conversions(forms);
  forms["mov.pred"] = each([](bool a) { return a; });
  forms["and.pred"] = each([](bool a, bool b) { return a && b; });
  forms["or.pred"] = each([](bool a, bool b) { return a || b; });
  forms["xor.pred"] = each([](bool a, bool b) { return a != b; });
  forms["not.pred"] = each([](bool a) { return !a; });
  forms["cvta.to.global.u64"] = forms["mov.u64"];  // generic addresses of global memory are the same
  forms["mov.b32 r rr"] = each([](U16 low, U16 high) { return two(low, high); });
  forms["mov.b32 r rr"].operands = "d ss";
  Form& apart = forms["mov.b32 rr r"];
  apart.instruction.action = Action::compute;
  apart.instruction.compute = &unpack;
  apart.operands = "dd s";
  return forms;
}

}  // namespace

Form arithmetic_of(const std::string& name, const std::string& shape) {
  static const Forms forms = all_forms();
  auto found = forms.find(name + " " + shape);
  if (found == forms.end()) found = forms.find(name);
  return found == forms.end() ? Form{} : found->second;
}

}  // namespace mt::ptx
