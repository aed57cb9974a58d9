#include <steward/process/context.hpp>

#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace steward::detail::process {

ChildContext::ChildContext(std::string name, shm::UniqueFd channel, int owner_pidfd,
                           std::unique_ptr<RequestBytes> request, PassedFiles passed_files)
    : name_(std::move(name)),
      channel_(std::move(channel)),
      owner_pidfd_(owner_pidfd),
      request_(std::move(request)),
      passed_files_(std::move(passed_files)) {}

void ChildContext::confirm(std::string_view message) {
  if (confirmed()) return;
  if (message.size() > kStatusTextBytes) {
    throw BadCall(fmt::format("{}: a confirmation of {} bytes; the limit is {}", name_,
                              message.size(), kStatusTextBytes));
  }
  try {
    send_status(channel_.get(), StatusKind::confirmed, 0, message);
  } catch (const std::system_error&) {
    // The starter is gone; what that means is the entry's to know, by owner_pidfd().
  }
  release();
}

void ChildContext::refuse(const Failure& failure) {
  if (confirmed()) return;
  try {
    send_status(channel_.get(), StatusKind::refused, 0, pack_failure(failure));
  } catch (const std::system_error&) {
    // Nobody is left who would want to know.
  }
  release();
}

void ChildContext::release() {
  channel_.reset();  // from now on only the process server speaks of this process
  request_.reset();  // arguments may be large
  passed_files_ = {};
}

}  // namespace steward::detail::process
