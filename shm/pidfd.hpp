// Processes by descriptor: a pidfd names one process for ever, a pid may be used again.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::shm {

// A descriptor of the process that is readable once it has ended. Throws SystemError (ESRCH:
// there is no such process).
UniqueFd pidfd_of(pid_t pid);

// The pid that a pidfd stands for, from its fdinfo; nullopt if it is no pidfd or has ended. Throws
// SystemError if there is no descriptor left for the look.
std::optional<pid_t> pid_of(int pidfd);

// Checks that this is the pidfd of the process `pid`. Returns the objection, for an error text;
// empty: there is none. `whose` and `other` are what the text calls that process and the one that
// checks. Throws as pid_of().
std::string objection_to(int pidfd, pid_t pid, const std::string& whose, const std::string& other);

// Whether the process has ended. Throws SystemError if the descriptor is not open.
bool has_ended(int pidfd);

// Sends a signal; false if the process has ended already. Throws SystemError.
bool send_signal(int pidfd, int signal);

}  // namespace steward::detail::shm
