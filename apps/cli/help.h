// One description of each option: --help, the OPTIONS section of the man page and the shell completions come from it.
#pragma once

#include <string>

#include "cli/run.h"

namespace mt::cli {

std::string help_text(const About& about, const CLI::App& app);

// form: "scdoc" (OPTIONS section), "bash", "zsh", "fish" (completion scripts) or "names" (one long option a line).
std::string help_as(const About& about, const CLI::App& app, const std::string& form);

std::string version_text(const std::string& program);

}  // namespace mt::cli
