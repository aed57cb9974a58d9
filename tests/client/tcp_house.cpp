#include <steward/tests/client/tcp_house.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <thread>

#include <zmq.hpp>

#include <steward/core/auth_key.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::test {
namespace {

constexpr std::uint64_t kLeaseMs = 15'000;

}  // namespace

class TcpHouse::Loop {
 public:
  Loop(FakeManager& manager, const std::string& key, const std::string& endpoint)
      : manager_(manager), stop_(::eventfd(0, EFD_CLOEXEC)) {
    router_.set(zmq::sockopt::linger, 0);
    if (!key.empty()) {
      const core::KeyPairs keys = core::derive_key_pairs(key);
      const auto& secret = keys.server.secret_key;
      router_.set(zmq::sockopt::curve_server, true);
      router_.set(zmq::sockopt::curve_secretkey, zmq::const_buffer(secret.data(), secret.size()));
    }
    router_.bind(endpoint);
    endpoint_ = router_.get(zmq::sockopt::last_endpoint);
    thread_ = std::thread([this] { run(); });
  }
  ~Loop() {
    const std::uint64_t one = 1;
    if (::write(stop_.get(), &one, sizeof one) < 0) std::abort();
    thread_.join();
  }

  const std::string& endpoint() const { return endpoint_; }

 private:
  void run() {
    for (;;) {
      std::vector<zmq::pollitem_t> items{{router_.handle(), 0, ZMQ_POLLIN, 0},
                                         {nullptr, stop_.get(), ZMQ_POLLIN, 0}};
      zmq::poll(items, std::chrono::milliseconds(-1));
      if (items[1].revents != 0) return;
      serve();
    }
  }

  void serve() {
    zmq::message_t id;
    zmq::message_t frame;
    while (router_.recv(id, zmq::recv_flags::dontwait)) {
      if (!router_.recv(frame, zmq::recv_flags::dontwait)) return;
      const auto number =
          connections_.try_emplace(id.to_string(), connections_.size()).first->second;
      for (const std::string& answer : manager_.take(number, frame.to_string_view())) {
        zmq::message_t to;
        to.copy(id);
        router_.send(to, zmq::send_flags::sndmore);
        router_.send(zmq::buffer(answer), zmq::send_flags::none);
      }
    }
  }

  FakeManager& manager_;
  const shm::UniqueFd stop_;
  zmq::context_t context_;
  zmq::socket_t router_{context_, zmq::socket_type::router};
  std::string endpoint_;
  std::map<std::string, std::uint64_t> connections_;
  std::thread thread_;
};

TcpHouse::TcpHouse(core::Incarnation incarnation, const std::string& key,
                   const std::string& endpoint)
    : manager_(incarnation) {
  manager_.be_remote(kLeaseMs);
  loop_ = std::make_unique<Loop>(manager_, key, endpoint);
  address_ = loop_->endpoint();
}

TcpHouse::~TcpHouse() = default;

}  // namespace steward::detail::test
