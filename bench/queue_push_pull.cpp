#include <stdexcept>

#include <zmq.hpp>

#include <steward/bench/queue_channels.hpp>

namespace steward::bench {

struct PushPull::Impl {
  explicit Impl(const ChannelSpec& spec)
      : socket(context, spec.side == Side::put ? zmq::socket_type::push : zmq::socket_type::pull) {
    const std::string endpoint = "ipc://" + spec.where + "-" + spec.name;
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::sndhwm, static_cast<int>(spec.capacity()));
    socket.set(zmq::sockopt::rcvhwm, static_cast<int>(spec.capacity()));
    spec.side == Side::get ? socket.bind(endpoint) : socket.connect(endpoint);
  }

  zmq::context_t context{1};
  zmq::socket_t socket;
};

PushPull::PushPull(const ChannelSpec& spec) : impl_(std::make_unique<Impl>(spec)) {}
PushPull::~PushPull() = default;

void PushPull::send(const void* bytes, std::size_t size) {
  impl_->socket.send(zmq::buffer(bytes, size));
}

void PushPull::receive(void* bytes, std::size_t size) {
  const auto received = impl_->socket.recv(zmq::buffer(bytes, size));
  if (received->untruncated_size != size) throw std::runtime_error("a message has the wrong size");
}

}  // namespace steward::bench
