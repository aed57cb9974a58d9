#include <steward/process/context.hpp>

#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/process/request.hpp>
#include <steward/process/status.hpp>

namespace steward::detail::process {

ChildContext::ChildContext(std::string name, shm::UniqueFd channel, int owner_pidfd,
                           std::unique_ptr<RequestBytes> request, PassedFiles passed_files)
    : name_(std::move(name)),
      channel_(std::move(channel)),
      owner_pidfd_(owner_pidfd),
      request_(std::move(request)),
      passed_files_(std::move(passed_files)) {}

ChildContext::~ChildContext() = default;

void ChildContext::confirm(std::string_view message) {
  if (confirmed()) return;
  if (message.size() > kStatusTextBytes) {
    throw BadCall(fmt::format("{}: a confirmation of {} bytes; the limit is {}", name_,
                              message.size(), kStatusTextBytes));
  }
  if (!may_go(message)) throw Closed(name_ + ": nobody waits for this process any more");
  release();
}

bool ChildContext::may_go(std::string_view message) const {
  try {
    send_status(channel_.get(), StatusKind::confirmed, 0, message);
    return await_go(channel_.get(), owner_pidfd_);
  } catch (const std::system_error&) {
    return false;
  }
}

void ChildContext::refuse(const ExceptionRecord& failure) {
  if (confirmed()) return;
  try {
    send_status(channel_.get(), StatusKind::refused, 0, pack_exception(failure));
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
