// Words and numbers of ASCII geometry files, line by line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mt {

// The number that a whole word is, "nan" and "inf" too; beyond float64's range infinity or 0. nullopt: it is none.
std::optional<double> number_in(std::string_view word);

class LineScanner {
 public:
  // Text that the caller keeps alive. Words lie between separators; from comment (0: none) to the line's end nothing
  // counts. Lines end with LF, CR LF or CR.
  LineScanner(std::string_view text, std::string where, char comment = '#', std::string_view separators = " \t");

  // Goes to the next line that has a word; false at the end.
  bool next_line();
  // Stays on this line, at its start.
  void restart() { at_ = line_; }

  std::optional<std::string_view> word();  // nullopt at the end of the line
  double number();                         // the next word; throws Error when it is none, or when there is none
  std::uint64_t count();                   // likewise a whole number, not negative
  bool at_end();                           // no more words on this line

  std::string where() const;                                         // "a.off: line 17"
  std::size_t position() const { return next_; }                     // of the line that follows
  std::uint64_t bytes_left() const { return text_.size() - next_; }  // behind this line

 private:
  std::string_view text_;
  std::string where_;
  char comment_;
  std::string_view separators_;
  std::size_t next_ = 0, line_ = 0, at_ = 0, end_ = 0;  // of the text; the line is [line_, end_)
  std::uint64_t number_ = 0;
};

}  // namespace mt
