#include "store/pickle.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

using Kind = PickleValue::Kind;

// A CLIP L14 with its optimiser state takes about 100 000 steps and 40 000 values. The limits bound memory to some
// 100 MB whatever the pickle says.
constexpr std::uint64_t kMaxSteps = 1 << 22;
constexpr std::size_t kMaxValues = 1 << 19, kMaxMemo = 1 << 20;
constexpr std::uint64_t kMaxGlobal = 512;
constexpr std::string_view kOrderedDict = "collections.OrderedDict";

// Names as in Python's pickletools.
// clang-format off
enum Opcode : std::uint8_t {
  kMark = '(', kStop = '.', kPop = '0', kPopMark = '1', kDup = '2', kProto = 0x80, kFrame = 0x95,
  kNone = 'N', kNewTrue = 0x88, kNewFalse = 0x89, kBinInt = 'J', kBinInt1 = 'K', kBinInt2 = 'M', kLong1 = 0x8A, kBinFloat = 'G',
  kBinString = 'T', kShortBinString = 'U', kBinUnicode = 'X', kShortBinUnicode = 0x8C, kBinUnicode8 = 0x8D,
  kBinBytes = 'B', kShortBinBytes = 'C', kBinBytes8 = 0x8E, kByteArray8 = 0x96,
  kEmptyList = ']', kAppend = 'a', kAppends = 'e', kList = 'l',
  kEmptyTuple = ')', kTuple = 't', kTuple1 = 0x85, kTuple2 = 0x86, kTuple3 = 0x87,
  kEmptyDict = '}', kDict = 'd', kSetItem = 's', kSetItems = 'u',
  kBinPut = 'q', kLongBinPut = 'r', kMemoize = 0x94, kBinGet = 'h', kLongBinGet = 'j',
  kGlobal = 'c', kStackGlobal = 0x93, kReduce = 'R', kNewObj = 0x81, kBuild = 'b', kBinPersId = 'Q',
};
// clang-format on

}  // namespace

class PickleMachine {
 public:
  PickleMachine(Pickle& pickle, ByteReader& reader, const Pickle::Allowed& allowed)
      : pickle_(pickle), reader_(reader), allowed_(allowed) {}

  void run() {
    for (std::uint64_t steps = 0; pickle_.root_ == nullptr; ++steps) {
      if (steps == kMaxSteps) fail("is longer than any checkpoint's");
      step(reader_.take<std::uint8_t>());
    }
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw Error(reader_.where(), fmt::format("has a pickle that {} (byte {})", why, reader_.position()));
  }

  void step(std::uint8_t opcode) {
    switch (opcode) {
      case kProto:
        if (const auto version = reader_.take<std::uint8_t>(); version > 5) {
          fail(fmt::format("has protocol {}, known are up to 5", version));
        }
        return;
      case kFrame:
        reader_.skip(8);
        return;
      case kStop:
        pickle_.root_ = pop();
        if (!stack_.empty()) fail("leaves values behind");
        return;
      case kMark:
        marks_.push_back(stack_.size());
        return;
      case kPop:
        pop();
        return;
      case kPopMark:
        take_marked();
        return;
      case kDup:
        push(top());
        return;
      case kNone:
        push_new(Kind::none);
        return;
      case kNewTrue:
        push_new(Kind::boolean).integer = 1;
        return;
      case kNewFalse:
        push_new(Kind::boolean);
        return;
      case kBinInt:
        push_new(Kind::integer).integer = reader_.take<std::int32_t>();
        return;
      case kBinInt1:
        push_new(Kind::integer).integer = reader_.take<std::uint8_t>();
        return;
      case kBinInt2:
        push_new(Kind::integer).integer = reader_.take<std::uint16_t>();
        return;
      case kLong1:
        long_integer();
        return;
      case kBinFloat:
        push_new(Kind::real).real = big_endian_double();
        return;
      case kBinString:
      case kBinUnicode:
        push_text(Kind::text, reader_.take<std::uint32_t>());
        return;
      case kShortBinString:
      case kShortBinUnicode:
        push_text(Kind::text, reader_.take<std::uint8_t>());
        return;
      case kBinUnicode8:
        push_text(Kind::text, reader_.take<std::uint64_t>());
        return;
      case kBinBytes:
        push_text(Kind::bytes, reader_.take<std::uint32_t>());
        return;
      case kShortBinBytes:
        push_text(Kind::bytes, reader_.take<std::uint8_t>());
        return;
      case kBinBytes8:
      case kByteArray8:
        push_text(Kind::bytes, reader_.take<std::uint64_t>());
        return;
      default:
        containers(opcode);
        return;
    }
  }

  void containers(std::uint8_t opcode) {
    switch (opcode) {
      case kEmptyList:
        push_new(Kind::list);
        return;
      case kEmptyTuple:
        push_new(Kind::tuple);
        return;
      case kEmptyDict:
        push_new(Kind::dict);
        return;
      case kList:
        push_items(Kind::list, take_marked());
        return;
      case kTuple:
        push_items(Kind::tuple, take_marked());
        return;
      case kDict: {
        auto items = take_marked();
        add_items(push_new(Kind::dict), std::move(items));
        return;
      }
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push_items(Kind::tuple, take(opcode - kTuple1 + 1U));
        return;
      case kAppend:
        append(take(1));
        return;
      case kAppends:
        append(take_marked());
        return;
      case kSetItem:
        set_items(take(2));
        return;
      case kSetItems:
        set_items(take_marked());
        return;
      case kBinPut:
        put(reader_.take<std::uint8_t>());
        return;
      case kLongBinPut:
        put(reader_.take<std::uint32_t>());
        return;
      case kMemoize:
        put(static_cast<std::uint32_t>(memo_.size()));
        return;
      case kBinGet:
        get(reader_.take<std::uint8_t>());
        return;
      case kLongBinGet:
        get(reader_.take<std::uint32_t>());
        return;
      default:
        names(opcode);
        return;
    }
  }

  void names(std::uint8_t opcode) {
    switch (opcode) {
      case kGlobal: {
        const std::string module(line());
        global(module, line());
        return;
      }
      case kStackGlobal: {
        const auto parts = take(2);
        if (parts[0]->kind != Kind::text || parts[1]->kind != Kind::text)
          fail("names a global by something else than text");
        global(parts[0]->text, parts[1]->text);
        return;
      }
      case kReduce:
      case kNewObj:
        call();
        return;
      case kBuild: {
        const auto state = pop();
        PickleValue& target = own(top());
        // A dict's own attributes (PyTorch's _metadata) are of no use here.
        if (target.kind == Kind::object)
          target.state = state;
        else if (target.kind != Kind::dict)
          fail("gives a state to something that is not an object");
        return;
      }
      case kBinPersId:
        push_items(Kind::persistent, take(1));
        return;
      default:
        fail(fmt::format("uses instruction {:#04x}, which weights do not need", opcode));
    }
  }

  // What Python would call is only written down. An ordered dict is a dict.
  void call() {
    const auto parts = take(2);
    if (parts[0]->kind != Kind::global || parts[1]->kind != Kind::tuple) fail("calls something that has no name");
    if (parts[0]->text == kOrderedDict) {
      PickleValue& dict = push_new(Kind::dict);
      if (parts[1]->items.empty()) return;
      if (parts[1]->items.size() != 1 || parts[1]->items[0]->kind != Kind::list) fail("has a damaged ordered dict");
      for (const PickleValue* pair : parts[1]->items[0]->items) {
        if ((pair->kind != Kind::list && pair->kind != Kind::tuple) || pair->items.size() != 2)
          fail("has a damaged ordered dict");
        add_items(dict, pair->items);
        pay_for(1);
      }
      return;
    }
    PickleValue& object = push_new(Kind::object);
    object.text = parts[0]->text;
    object.items = parts[1]->items;
    pay_for(object.items.size());
  }

  void global(std::string_view module, std::string_view name) {
    if (module.size() + name.size() > kMaxGlobal) fail("names a global of more than 512 bytes");
    pickle_.names_.push_back(fmt::format("{}.{}", module, name));
    const std::string& full = pickle_.names_.back();
    if (!allowed_(full)) {
      throw Error(reader_.where(), fmt::format("wants \"{}\" from Python, which is not part of plain weights", full),
                  "save the weights alone: torch.save(model.state_dict(), FILE)");
    }
    push_new(Kind::global).text = full;
  }

  void long_integer() {
    const std::string_view digits = reader_.take_text(reader_.take<std::uint8_t>());
    if (digits.size() > 8) {
      push_new(Kind::big_integer).text = digits;
      return;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < digits.size(); ++i)
      value |= std::uint64_t{static_cast<unsigned char>(digits[i])} << (8 * i);
    if (!digits.empty() && digits.size() < 8 && (static_cast<unsigned char>(digits.back()) & 0x80U) != 0) {
      value |= std::numeric_limits<std::uint64_t>::max() << (8 * digits.size());
    }
    push_new(Kind::integer).integer = static_cast<std::int64_t>(value);
  }

  double big_endian_double() { return std::bit_cast<double>(__builtin_bswap64(reader_.take<std::uint64_t>())); }

  std::string_view line() {
    const std::uint64_t most = std::min(reader_.remaining(), kMaxGlobal);
    ByteReader ahead = reader_;
    const std::string_view text = ahead.take_text(most);
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) fail("names a global of more than 512 bytes");
    reader_.skip(end + 1);
    return text.substr(0, end);
  }

  // Copies that no instruction pays for: a shared list could be copied again and again.
  void pay_for(std::size_t values) {
    copied_ += values;
    if (copied_ > kMaxSteps) fail("is longer than any checkpoint's");
  }

  void append(std::vector<const PickleValue*> values) {
    PickleValue& list = own(top());
    if (list.kind != Kind::list) fail("appends to something that is not a list");
    list.items.insert(list.items.end(), values.begin(), values.end());
  }

  void set_items(std::vector<const PickleValue*> values) {
    PickleValue& dict = own(top());
    if (dict.kind != Kind::dict) fail("sets an item of something that is not a dict");
    add_items(dict, std::move(values));
  }

  void add_items(PickleValue& dict, const std::vector<const PickleValue*>& values) {
    if (values.size() % 2 != 0) fail("has a key without a value");
    dict.items.insert(dict.items.end(), values.begin(), values.end());
  }

  void put(std::uint32_t index) {
    memo_[index] = top();
    if (memo_.size() > kMaxMemo) fail("remembers more values than any checkpoint's");
  }
  void get(std::uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) fail("asks for a value that it never stored");
    push(found->second);
  }

  PickleValue& push_new(Kind kind) {
    if (pickle_.values_.size() == kMaxValues) fail("holds more values than any checkpoint's");
    PickleValue& value = pickle_.values_.emplace_back();
    value.kind = kind;
    push(&value);
    return value;
  }
  void push_text(Kind kind, std::uint64_t size) {
    const std::string_view text = reader_.take_text(size);
    push_new(kind).text = text;
  }
  void push_items(Kind kind, std::vector<const PickleValue*> items) { push_new(kind).items = std::move(items); }
  void push(const PickleValue* value) { stack_.push_back(value); }

  // Nothing below the last mark may be touched.
  std::size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  const PickleValue* top() const {
    if (available() == 0) fail("takes a value that it never made");
    return stack_.back();
  }
  const PickleValue* pop() { return take(1)[0]; }
  std::vector<const PickleValue*> take(std::size_t count) {
    if (available() < count) fail("takes a value that it never made");
    std::vector<const PickleValue*> values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }
  std::vector<const PickleValue*> take_marked() {
    if (marks_.empty()) fail("closes a group that it never opened");
    auto values = take(available());
    marks_.pop_back();
    return values;
  }
  // All values live in the pickle's own arena; only the machine changes them, while it builds.
  static PickleValue& own(const PickleValue* value) { return const_cast<PickleValue&>(*value); }

  Pickle& pickle_;
  ByteReader& reader_;
  const Pickle::Allowed& allowed_;
  std::vector<const PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, const PickleValue*> memo_;
  std::uint64_t copied_ = 0;
};

Pickle::Pickle(ByteReader& reader, const Allowed& allowed) { PickleMachine(*this, reader, allowed).run(); }

}  // namespace mt
