#include <fcntl.h>
#include <mqueue.h>
#include <sys/resource.h>

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include <steward/bench/queue_channels.hpp>

namespace steward::bench {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::string full_name(const std::string& where, const std::string& name) {
  return "/" + where + "-" + name;
}

// Who may raise it needs not care for the limit on bytes of all queues of a user.
void raise_queue_limit() {
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_MSGQUEUE, &limit) == 0) return;
  ::getrlimit(RLIMIT_MSGQUEUE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_MSGQUEUE, &limit);
}

int open_queue(const ChannelSpec& spec, std::size_t messages) {
  mq_attr attributes{};
  attributes.mq_maxmsg = static_cast<long>(messages);
  attributes.mq_msgsize = static_cast<long>(spec.bytes);
  return ::mq_open(full_name(spec.where, spec.name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600,
                   &attributes);
}

// Without privileges the system's limit holds, which is ten messages where nobody changed it.
int open_as_large_as_may_be(const ChannelSpec& spec) {
  raise_queue_limit();
  const int queue = open_queue(spec, spec.capacity());
  if (queue >= 0) return queue;
  std::size_t messages = 10;
  std::ifstream("/proc/sys/fs/mqueue/msg_max") >> messages;
  return open_queue(spec, std::min(messages, spec.capacity()));
}

}  // namespace

PosixQueue::PosixQueue(const ChannelSpec& spec) : queue_(open_as_large_as_may_be(spec)) {
  if (queue_ < 0) fail("cannot open a POSIX message queue");
}

PosixQueue::~PosixQueue() { ::mq_close(queue_); }

void PosixQueue::send(const void* bytes, std::size_t size) {
  while (::mq_send(queue_, static_cast<const char*>(bytes), size, 0) != 0) {
    if (errno != EINTR) fail("cannot send to a POSIX message queue");
  }
}

void PosixQueue::receive(void* bytes, std::size_t size) {
  ssize_t received = -1;
  while ((received = ::mq_receive(queue_, static_cast<char*>(bytes), size, nullptr)) < 0) {
    if (errno != EINTR) fail("cannot receive from a POSIX message queue");
  }
  if (static_cast<std::size_t>(received) != size) {
    throw std::runtime_error("a message has the wrong size");
  }
}

void PosixQueue::remove(const std::string& where, const std::string& name) {
  ::mq_unlink(full_name(where, name).c_str());
}

std::size_t PosixQueue::capacity(const ChannelSpec& spec) {
  const int queue = open_as_large_as_may_be(spec);
  if (queue < 0) return 0;
  mq_attr attributes{};
  ::mq_getattr(queue, &attributes);
  ::mq_close(queue);
  remove(spec.where, spec.name);
  return static_cast<std::size_t>(attributes.mq_maxmsg);
}

}  // namespace steward::bench
