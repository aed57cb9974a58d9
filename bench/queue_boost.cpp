#include <stdexcept>

#include <boost/interprocess/ipc/message_queue.hpp>

#include <steward/bench/queue_channels.hpp>

namespace steward::bench {
namespace {

std::string full_name(const std::string& where, const std::string& name) {
  return where + "-" + name;
}

}  // namespace

struct BoostQueue::Impl {
  explicit Impl(const ChannelSpec& spec)
      : queue(boost::interprocess::open_or_create, full_name(spec.where, spec.name).c_str(),
              spec.capacity(), spec.bytes) {}

  boost::interprocess::message_queue queue;
};

BoostQueue::BoostQueue(const ChannelSpec& spec) : impl_(std::make_unique<Impl>(spec)) {}
BoostQueue::~BoostQueue() = default;

void BoostQueue::send(const void* bytes, std::size_t size) { impl_->queue.send(bytes, size, 0); }

void BoostQueue::receive(void* bytes, std::size_t size) {
  boost::interprocess::message_queue::size_type received = 0;
  unsigned priority = 0;
  impl_->queue.receive(bytes, size, received, priority);
  if (received != size) throw std::runtime_error("a message has the wrong size");
}

void BoostQueue::remove(const std::string& where, const std::string& name) {
  boost::interprocess::message_queue::remove(full_name(where, name).c_str());
}

}  // namespace steward::bench
