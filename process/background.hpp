// A process in the background: in a session of its own, where no terminal's Ctrl-C or hang-up
// reaches it, and without a link to who started it.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace steward::detail::process {

// Said once, as soon as there is something to say. False: nobody listens any more.
using Say = std::function<bool(const std::string& words)>;

// Runs `work` in a forked process, which ends when it returns. There standard input and output are
// /dev/null, standard error is `log_file` (appended to; empty: /dev/null), all other descriptors
// are closed, the directory is /, SIGHUP and SIGXFSZ are ignored. Returns what it says. Throws
// core::Failure if it ends without a word, or is ended since it has said none within `patience`;
// SystemError. Only while the process has one thread.
std::string run_in_background(const std::string& log_file, std::chrono::milliseconds patience,
                              const std::function<void(const Say& say)>& work);

}  // namespace steward::detail::process
