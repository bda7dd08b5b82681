// From the text to ptx::Program: PTX ISA, "Syntax" and "Directives".
#include <algorithm>
#include <map>
#include <stdexcept>

#include "ptx/forms.h"
#include "ptx/tokens.h"

namespace mt::ptx {

namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(tokens_of(text)) {}

  Program program() {
    Program program;
    while (at_ < tokens_.size()) {
      const Token token = next();
      if (token.text == ".version") {
        next();
      } else if (token.text == ".target") {
        program.target = next().text;
      } else if (token.text == ".address_size") {
        expect("64");
      } else if (token.text == ".extern") {
        shared_memory();
      } else if (token.text == ".visible") {
        expect(".entry");
        program.entries.push_back(entry());
      } else if (token.text == ".entry") {
        program.entries.push_back(entry());
      } else {
        fail(token.line, "unknown directive " + std::string(token.text));
      }
    }
    return program;
  }

 private:
  // An operand as it is written: one name, those in braces, or an address.
  struct Operand {
    std::vector<Token> names;
    bool is_address = false;
    std::uint64_t offset = 0;
  };

  const Token& peek() const {
    if (at_ == tokens_.size()) fail(tokens_.empty() ? 1 : tokens_.back().line, "the text ends early");
    return tokens_[at_];
  }
  Token next() {
    const Token token = peek();
    ++at_;
    return token;
  }
  bool take(std::string_view text) {
    if (peek().text != text) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view text) {
    const Token token = next();
    if (token.text != text) fail(token.line, std::string(text) + " was expected, not " + std::string(token.text));
  }

  std::uint64_t number() {
    const bool negative = take("-");
    const std::uint64_t value = number_of(next());
    return negative ? ~value + 1 : value;
  }

  // .extern .shared .align 16 .b8 name[]; whose size the launch says. Kernels ask for no more than our kSharedBegin
  // has.
  void shared_memory() {
    expect(".shared");
    expect(".align");
    const Token alignment = next();
    if (number_of(alignment) > 16) fail(alignment.line, "shared memory begins at a multiple of 16 bytes, no more");
    expect(".b8");
    shared_name_ = next().text;
    for (const char* sign : {"[", "]", ";"}) expect(sign);
  }

  Entry entry() {
    entry_ = Entry{};
    scopes_.clear();
    constants_.clear();
    labels_.clear();
    entry_.name = next().text;
    expect("(");
    expect(".param");
    expect(".align");
    entry_.parameter_alignment = number_of(next());
    expect(".b8");
    parameter_name_ = next().text;
    expect("[");
    entry_.parameter_bytes = number_of(next());
    expect("]");
    expect(")");
    while (!take("{")) bounds();
    body();
    for (Instruction& instruction : entry_.code) {
      if (instruction.action != Action::branch) continue;
      const auto label = labels_.find(targets_.at(instruction.number).text);
      if (label == labels_.end()) fail(instruction.line, "no label " + std::string(targets_[instruction.number].text));
      instruction.number = label->second;
    }
    targets_.clear();
    return std::move(entry_);
  }

  // .maxntid 128 or .maxntid 128, 1, 1 says how many threads a block may have; .minnctapersm how many registers, which
  // are free here.
  void bounds() {
    const Token token = next();
    if (token.text == ".minnctapersm") {
      number_of(next());
      return;
    }
    if (token.text != ".maxntid") fail(token.line, "unknown directive " + std::string(token.text));
    entry_.most_threads = static_cast<unsigned>(number_of(next()));
    while (take(",")) expect("1");
  }

  // Inline assembly comes in scopes of its own.
  void body() {
    scopes_.emplace_back();
    while (!scopes_.empty()) {
      if (take("{")) {
        scopes_.emplace_back();
      } else if (take("}")) {
        scopes_.pop_back();
      } else if (take(".reg")) {
        registers();
      } else if (take(".pragma")) {
        expect("\"nounroll\"");
        expect(";");
      } else if (at_ + 1 < tokens_.size() && tokens_[at_ + 1].text == ":") {
        const Token label = next();
        if (!labels_.emplace(label.text, entry_.code.size()).second) fail(label.line, "a label twice");
        expect(":");
      } else {
        instruction();
      }
    }
  }

  // .reg .b32 %r<45>; or .reg .f16 low, high;
  void registers() {
    next();  // the type, which instructions say too
    do {
      const Token name = next();
      if (!take("<")) {
        declare(name, std::string(name.text));
        continue;
      }
      const std::uint64_t count = number_of(next());
      expect(">");
      for (std::uint64_t i = 0; i < count; ++i) declare(name, std::string(name.text) + std::to_string(i));
    } while (take(","));
    expect(";");
  }
  void declare(const Token& token, const std::string& name) {
    if (!scopes_.back().emplace(name, new_slot()).second) fail(token.line, "register " + name + " twice");
  }
  Slot new_slot() { return static_cast<Slot>(entry_.slots++); }

  void instruction() {
    bool guarded = false, negated = false;
    Token guard{};
    if (take("@")) {
      guarded = true;
      negated = take("!");
      guard = next();
    }
    const Token name = next();
    if (name.text[0] == '.') fail(name.line, "unknown directive " + std::string(name.text));
    std::vector<Operand> operands;
    std::string shape;
    while (!take(";")) {
      if (!operands.empty()) expect(",");
      operands.push_back(operand());
      shape += (shape.empty() ? "" : " ") + std::string(operands.back().names.size(), 'r');
    }
    Form form = [&] {
      try {
        return form_of(std::string(name.text), shape);
      } catch (const std::runtime_error& error) {
        fail(name.line, error.what());
      }
    }();
    Instruction& made = form.instruction;
    made.line = name.line;
    if (guarded) {
      made.guard = written(guard);
      made.guard_negated = negated;
    }
    fill(made, form.operands, operands);
    entry_.code.push_back(std::move(made));
  }

  Operand operand() {
    Operand operand;
    const Token first = peek();
    if (take("{")) {
      do operand.names.push_back(next());
      while (take(","));
      expect("}");
    } else if (take("[")) {
      operand.is_address = true;
      operand.names.push_back(next());
      if (take("+")) operand.offset = number();
      expect("]");
    } else if (first.text == "-") {
      // Kept as one token, from the sign to the end of the number.
      next();
      const Token digits = next();
      operand.names.push_back(
          {std::string_view(first.text.data(), digits.text.data() + digits.text.size() - first.text.data()),
           first.line});
    } else {
      operand.names.push_back(next());
      if (take("|")) operand.names.push_back(next());  // a value and a predicate
    }
    return operand;
  }

  void fill(Instruction& made, const std::string& forms, const std::vector<Operand>& operands) {
    std::size_t which = 0;
    for (std::size_t begin = 0; begin < forms.size(); ++which) {
      const std::size_t end = std::min(forms.find(' ', begin), forms.size());
      const std::string form = forms.substr(begin, end - begin);
      begin = end + 1;
      if (which == operands.size()) break;
      const Operand& operand = operands[which];
      if (is_number(form)) {
        if (operand.names[0].text != form) fail(made.line, made.name + " is known with " + form + " alone");
        continue;
      }
      if (operand.names.size() != form.size() || operand.is_address != (form == "a"))
        fail(made.line, "operand " + std::to_string(which + 1) + " of " + made.name + " is of another kind");
      for (std::size_t i = 0; i < form.size(); ++i) fill(made, form[i], operand, operand.names[i]);
    }
    const auto expected = forms.empty() ? 0 : std::count(forms.begin(), forms.end(), ' ') + 1;
    if (which != operands.size() || which != static_cast<std::size_t>(expected))
      fail(made.line, made.name + " has another number of operands");
  }
  void fill(Instruction& made, char form, const Operand& operand, const Token& name) {
    switch (form) {
      case 'd':
        made.operands.push_back(written(name));
        break;
      case 's':
        made.operands.push_back(read(name));
        break;
      case 'a':
        made.addresses.push_back(address(made, operand, name));
        break;
      case 'n':
        made.number = number_of(name);
        break;
      default:
        made.number = targets_.size();
        targets_.push_back(name);
    }
  }

  Address address(const Instruction& made, const Operand& operand, const Token& name) {
    const bool of_parameters = made.action == Action::load && made.space == Space::parameters;
    if (!of_parameters) return {read(name), operand.offset};
    if (name.text != parameter_name_) fail(name.line, "no parameter " + std::string(name.text));
    return {kNoSlot, operand.offset};
  }

  Slot written(const Token& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(name.text);
      if (found != scope->end()) return found->second;
    }
    fail(name.line, "no register " + std::string(name.text));
  }

  Slot read(const Token& name) {
    if (name.text == shared_name_) return constant(kSharedBegin);
    if (is_number(name.text)) return constant(number_of(name));
    if (name.text[0] == '-') return constant(~number_of({name.text.substr(1), name.line}) + 1);
    static const std::map<std::string_view, Special> specials{{"%tid.x", Special::thread},
                                                              {"%ntid.x", Special::threads},
                                                              {"%ctaid.x", Special::block_x},
                                                              {"%ctaid.y", Special::block_y},
                                                              {"%laneid", Special::lane}};
    const auto special = specials.find(name.text);
    if (special == specials.end()) return written(name);
    const Slot slot = new_slot();
    entry_.specials.emplace_back(slot, special->second);
    return slot;
  }
  Slot constant(std::uint64_t value) {
    const auto [found, is_new] = constants_.emplace(value, static_cast<Slot>(entry_.slots));
    if (is_new) entry_.constants.emplace_back(new_slot(), value);
    return found->second;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::string_view shared_name_, parameter_name_;
  Entry entry_;
  std::vector<std::map<std::string, Slot, std::less<>>> scopes_;
  std::map<std::uint64_t, Slot> constants_;
  std::map<std::string_view, std::size_t> labels_;
  std::vector<Token> targets_;  // of the branches
};

}  // namespace

Program parse(std::string_view text) { return Parser(text).program(); }

const Entry& Program::entry(std::string_view part) const {
  const Entry* found = nullptr;
  for (const Entry& one : entries) {
    if (one.name.find(part) == std::string::npos) continue;
    if (found != nullptr) throw std::runtime_error("two entries of the PTX hold " + std::string(part));
    found = &one;
  }
  if (found == nullptr) throw std::runtime_error("no entry of the PTX holds " + std::string(part));
  return *found;
}

}  // namespace mt::ptx
