// The transports that the conformance suite runs over. Each gives a Manager; a new transport is a
// new class here and a line in Transports.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/session/driver.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/state.hpp>
#include <steward/client/transport/transport.hpp>
#include <steward/manager/private_server.hpp>
#include <steward/manager/server/listener_local.hpp>
#include <steward/manager/server/server.hpp>
#include <steward/steward.hpp>
#include <steward/tests/general_road.hpp>

namespace steward::detail::test {

// Frames through memory, to a server on another thread.
class LocalTransport final : public client::Transport {
 public:
  explicit LocalTransport(std::unique_ptr<server::LocalNetwork::Connection> connection)
      : connection_(std::move(connection)), fds_{{connection_->fd(), POLLIN, 0}} {}

  const std::vector<pollfd>& poll_fds() const override { return fds_; }
  bool prepare_to_sleep() override { return greeted_ && !connection_->readable(); }
  void awake(std::span<const pollfd>) override {}
  bool send(std::string_view head, std::string_view body) override {
    return connection_->send(std::string(head).append(body));
  }
  client::Arrival receive(std::string_view& frame) override {
    if (!std::exchange(greeted_, true)) return client::Arrival::connected;
    switch (connection_->receive(frame_)) {
      case server::LocalNetwork::Connection::Got::frame:
        frame = frame_;
        return client::Arrival::frame;
      case server::LocalNetwork::Connection::Got::closed:
        return std::exchange(closed_, true) ? client::Arrival::nothing
                                            : client::Arrival::disconnected;
      case server::LocalNetwork::Connection::Got::nothing: break;
    }
    return client::Arrival::nothing;
  }

 private:
  std::unique_ptr<server::LocalNetwork::Connection> connection_;
  std::vector<pollfd> fds_;
  std::string frame_;
  bool greeted_ = false;
  bool closed_ = false;
};

class InProcess {
 public:
  static constexpr const char* kName = "InProcess";

  InProcess() : network_(server::LocalNetwork::make()),
                server_(nullptr, network_->listen(), server::builtin_classes()),
                thread_([this] { server_.run(); }) {
    client::SessionPtr session = client::connect_over(
        std::make_unique<LocalTransport>(network_->connect()), {}, {"local:test"});
    // So that tokens find it: there is no address by which they could connect.
    client::ClientState::current().introduce(
        std::static_pointer_cast<client::SessionDriver>(session));
    manager_ = std::make_unique<Manager>(manager::ManagerAccess::over(std::move(session)));
  }
  ~InProcess() {
    const client::SessionPtr session = manager::ManagerAccess::session_of(*manager_);
    manager_.reset();
    session->end(std::chrono::seconds(1));
    server_.stop();
    thread_.join();
  }

  Manager& manager() { return *manager_; }

 private:
  std::shared_ptr<server::LocalNetwork> network_;
  server::Server server_;
  std::thread thread_;
  std::unique_ptr<Manager> manager_;
};

// A private server process, reached over ZeroMQ alone.
class Ipc {
 public:
  static constexpr const char* kName = "Ipc";
  Manager& manager() { return manager_; }

 private:
  GeneralRoad general_road_;
  Manager manager_;
};

// Likewise, as a program meets it: queues through shared memory.
class Shm {
 public:
  static constexpr const char* kName = "Shm";
  Manager& manager() { return manager_; }

 private:
  Manager manager_;
};

// As another host meets a manager: over tcp, with a lease instead of a control socket. The server
// is started beside the client library, which would otherwise use the way of its own host.
class Remote {
 public:
  explicit Remote(const std::string& key = {})
      : server_(manager::Types(), {.address = "tcp://127.0.0.1:0", .key = key}),
        manager_(Manager::connect(server_.addresses().back(), {.key = key})) {}

  Manager& manager() { return manager_; }

 private:
  manager::PrivateServer server_;
  Manager manager_;
};

class Tcp : public Remote {
 public:
  static constexpr const char* kName = "Tcp";
};

class Curve : public Remote {
 public:
  static constexpr const char* kName = "Curve";
  Curve() : Remote(generate_key()) {}
};

using Transports = testing::Types<InProcess, Ipc, Tcp, Curve>;
// For what may take another way than a call.
using QueueTransports = testing::Types<InProcess, Ipc, Tcp, Curve, Shm>;

struct TransportNames {
  template <class Transport>
  static std::string GetName(int) {
    return Transport::kName;
  }
};

template <class Transport>
class ConformanceTest : public testing::Test {
 protected:
  Manager& manager() { return transport_.manager(); }
  void TearDown() override {
    EXPECT_EQ(manager().number_of_objects(), 0U) << manager().debug_info();
  }

 private:
  Transport transport_;
};

}  // namespace steward::detail::test
