#include "cli/help.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/build_info.h"
#include "base/version.h"
#include "kernels/matmul.h"

namespace mt::cli {

namespace {

// Groups in the order of need; groups that are not named here follow in the order of their declaration.
std::vector<std::string> groups_of(const CLI::App& app) {
  std::vector<std::string> groups;
  for (const CLI::Option* option : app.get_options()) {
    const std::string& group = option->get_group();
    if (!group.empty() && !option->get_positional() && std::find(groups.begin(), groups.end(), group) == groups.end()) {
      groups.push_back(group);
    }
  }
  // "Other" (help, version) closes the list.
  std::stable_partition(groups.begin(), groups.end(), [](const std::string& g) { return g != "Other"; });
  return groups;
}

std::vector<const CLI::Option*> options_in(const CLI::App& app, const std::string& group) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() == group && !option->get_positional()) options.push_back(option);
  }
  return options;
}

// "-o, --output FILE"
std::string spelling(const CLI::Option& option) {
  std::string text;
  for (const std::string& name : option.get_snames()) text += (text.empty() ? "-" : ", -") + name;
  for (const std::string& name : option.get_lnames()) text += (text.empty() ? "--" : ", --") + name;
  if (option.get_items_expected_max() > 0) {
    const std::string type = option.get_option_text().empty() ? option.get_type_name() : option.get_option_text();
    text += " " + (type.empty() ? "VALUE" : type);
  }
  return text;
}

std::string description(const CLI::Option& option) {
  std::string text = option.get_description();
  const std::string value = option.get_default_str();
  if (!value.empty() && value != "\"\"" && value != "[]" && option.get_items_expected_max() > 0)
    text += " [" + value + "]";
  return text;
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = indent;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(text.find(' ', i), text.size());
    const std::string_view word = std::string_view(text).substr(i, end - i);
    if (column > indent && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    i = end + 1;
  }
  return out;
}

// scdoc reads _ and * as markup.
std::string scdoc_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '_' || c == '*' || c == '\\' || c == '<' || c == '>' || c == '#') out += '\\';
    out += c;
  }
  return out;
}

std::vector<std::string> long_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string help_text(const About& about, const CLI::App& app) {
  std::string out = fmt::format("Usage: {} {}\n\n{}\n", about.name, about.usage, wrapped(about.purpose, 0, 100));
  if (!about.examples.empty()) {
    out += "\nExamples:\n";
    for (const std::string& example : about.examples) out += "  " + example + "\n";
  }
  if (!about.choices.empty()) out += "\n";
  for (const auto& [word, meaning] : about.choices) out += fmt::format("  {:<26}{}\n", word, wrapped(meaning, 28, 110));
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() && !option->get_group().empty()) {
      out += fmt::format("\n  {:<26}{}", option->get_name(true), wrapped(description(*option), 28, 110));
    }
  }
  out += "\n";
  for (const std::string& group : groups_of(app)) {
    out += "\n" + group + ":\n";
    for (const CLI::Option* option : options_in(app, group)) {
      const std::string name = spelling(*option);
      if (name.size() < 25) {
        out += fmt::format("  {:<26}{}\n", name, wrapped(description(*option), 28, 110));
      } else {
        out += fmt::format("  {}\n{:28}{}\n", name, "", wrapped(description(*option), 28, 110));
      }
    }
  }
  if (!about.see_also.empty()) {
    out += fmt::format("\nSee also: {}\n", wrapped(fmt::format("{}", fmt::join(about.see_also, ", ")), 10, 110));
  }
  return out;
}

std::string help_as(const About& about, const CLI::App& app, const std::string& form) {
  std::string out;
  if (form == "names") {
    for (const std::string& name : long_names(app)) out += name + "\n";
    return out;
  }
  if (form == "scdoc") {
    for (const std::string& group : groups_of(app)) {
      out += "## " + group + "\n\n";
      for (const CLI::Option* option : options_in(app, group)) {
        const std::string name = spelling(*option);
        const std::size_t space = name.find_last_of(' ');
        const bool valued = option->get_items_expected_max() > 0 && space != std::string::npos;
        out += valued ? fmt::format("*{}* _{}_\n", scdoc_escaped(name.substr(0, space)),
                                    scdoc_escaped(name.substr(space + 1)))
                      : fmt::format("*{}*\n", scdoc_escaped(name));
        out += "\t" + scdoc_escaped(description(*option)) + "\n\n";
      }
    }
    return out;
  }
  std::string names;
  for (const std::string& name : long_names(app)) names += (names.empty() ? "" : " ") + name;
  if (form == "bash" && !about.choices.empty()) {
    // The second word on asks the program itself, since each choice has options of its own.
    std::string words;
    for (const auto& [word, meaning] : about.choices) words += (words.empty() ? "" : " ") + word;
    const std::string function = "_" + std::string(about.name).replace(2, 1, "_");
    return fmt::format(
        "{0}() {{\n  local word=\"${{COMP_WORDS[COMP_CWORD]}}\"\n  if [[ $COMP_CWORD -eq 1 ]]; then\n"
        "    COMPREPLY=($(compgen -W \"{2} --help --version\" -- \"$word\"))\n  elif [[ $word == -* ]]; then\n"
        "    COMPREPLY=($(compgen -W \"$({1} \"${{COMP_WORDS[1]}}\" --help-as names 2>/dev/null)\" -- \"$word\"))\n  "
        "else\n"
        "    COMPREPLY=($(compgen -f -- \"$word\"))\n  fi\n}}\ncomplete -o filenames -F {0} {1}\n",
        function, about.name, words);
  }
  if (form == "bash") {
    const std::string function = "_" + std::string(about.name).replace(2, 1, "_");
    return fmt::format(
        "{0}() {{\n  local word=\"${{COMP_WORDS[COMP_CWORD]}}\"\n  if [[ $word == -* ]]; then\n"
        "    COMPREPLY=($(compgen -W \"{2}\" -- \"$word\"))\n  else\n    COMPREPLY=($(compgen -f -- \"$word\"))\n  "
        "fi\n}}\n"
        "complete -o filenames -F {0} {1}\n",
        function, about.name, names);
  }
  if (form == "zsh" || form == "fish") {
    if (form == "zsh") out = fmt::format("#compdef {}\n_arguments \\\n", about.name);
    for (const CLI::Option* option : app.get_options()) {
      if (option->get_group().empty() || option->get_lnames().empty()) continue;
      std::string text = option->get_description();
      std::erase_if(text, [](char c) { return c == '\'' || c == '[' || c == ']' || c == ':' || c == '\\'; });
      const bool valued = option->get_items_expected_max() > 0;
      out += form == "zsh"
                 ? fmt::format("  '--{}[{}]{}' \\\n", option->get_lnames()[0], text, valued ? ":value:_files" : "")
                 : fmt::format("complete -c {} -l {}{} -d '{}'\n", about.name, option->get_lnames()[0],
                               valued ? " -r" : "", text);
    }
    if (form == "zsh") out += "  '*:file:_files'\n";
    return out;
  }
  return out;
}

std::string version_text(const std::string& program) {
  std::string out = fmt::format("{} (Meta-Transformer toolkit) {}\n", program, kVersion);
  const auto line = [&](const std::string& name, const std::string& value) {
    out += fmt::format("  {:<12} {}\n", name, value);
  };
  for (const auto& [name, value] : build_info()) line(name, value);
  line("oneDNN", onednn_version());
  return out;
}

}  // namespace mt::cli
