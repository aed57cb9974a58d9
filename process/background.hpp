// A process in the background: in a session of its own, where no terminal's Ctrl-C or hang-up
// reaches it, and without a link to who started it.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace steward::detail::process {

// `work` calls this once, to send a message to the process that called run_in_background(). False:
// that one is gone.
using Say = std::function<bool(const std::string& words)>;

// Runs `work` in a forked process, which ends when it returns. There standard input and output are
// /dev/null, standard error is `log_file` (appended to; empty: /dev/null), all other descriptors
// are closed, the directory is /, SIGHUP and SIGXFSZ are ignored. Returns that message. Throws
// core::Failure if the process ends without one, or has sent none within `patience` and is
// therefore ended; SystemError. Only while the process has one thread.
std::string run_in_background(const std::string& log_file, std::chrono::milliseconds patience,
                              const std::function<void(const Say& say)>& work);

}  // namespace steward::detail::process
