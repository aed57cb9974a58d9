// Network: the connections of a simulated world. Frames of one connection keep their order, those
// of different ones do not. A connection breaks for both sides at different times: what one of them
// sends meanwhile is lost, and what was under way is lost or arrives late, behind what comes on the
// next connection perhaps.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <steward/manager/server/listener.hpp>
#include <steward/tests/simulation/schedule.hpp>
#include <steward/tests/split_mix.hpp>

namespace steward::detail::simulation {

// A client's side of its connections.
class Endpoint {
 public:
  virtual void connected(const std::string& route) = 0;
  virtual void connection_lost(const std::string& route) = 0;
  virtual void frame(const std::string& route, const std::string& bytes) = 0;

 protected:
  ~Endpoint() = default;
};

class Network final : public server::Listener {
 public:
  // `arrived` is called when there is something to receive.
  Network(Schedule& schedule, test::Random& random, std::function<void()> arrived)
      : schedule_(schedule), random_(random), arrived_(std::move(arrived)) {}

  // --- the client's side
  // In a while the endpoint is told of its connection, if it still wants one then.
  void connect(Endpoint& client, server::Peer peer);
  // False: the connection takes nothing now; try again.
  bool to_server(const std::string& route, std::string frame);
  // The client closes it, or its process has ended. `passes`: what it has sent still arrives.
  void leave(const std::string& route, bool passes);
  // The connection breaks, and both sides notice it some time later, at most `unnoticed`.
  void cut(const std::string& route, core::Duration unnoticed);
  // From now on nothing breaks, and nothing takes long.
  void calm(bool calm) { calm_ = calm; }
  // Nothing that is said on it is lost.
  bool whole(const std::string& route) const { return wires_.at(route)->takes; }
  std::size_t under_way() const { return under_way_; }

  // --- the server's side
  std::vector<int> fds() const override { return {}; }
  bool readable() override { return has_arrivals(); }
  bool has_arrivals() const { return !inbox_.empty(); }
  bool receive(server::Arrival& arrival) override;
  // What has arrived last.
  const server::Arrival& latest() const { return inbox_.back(); }
  // What has arrived of this route, and was not received.
  bool receive_of(const std::string& route, server::Arrival& arrival);
  server::Sent send(const std::string& route, std::string& frame) override;
  void forget(const std::string&) override {}
  const std::vector<std::string>& addresses() const override { return addresses_; }
  void close() override {}

 private:
  struct Wire {
    std::string route;
    Endpoint* client = nullptr;
    server::Peer peer{};
    bool to_server = true;  // what is under way arrives
    bool to_client = true;
    bool takes = true;      // the client's side believes in it
    bool gone = false;      // the server's side does not
    unsigned unread = 0;    // what is under way to the client
    core::Time last_to_server{};
    core::Time last_to_client{};
  };

  core::Duration delay();
  core::Time arrival(core::Time& last);

  Schedule& schedule_;
  test::Random& random_;
  const std::function<void()> arrived_;
  const std::vector<std::string> addresses_{"ipc:///simulated"};
  std::map<std::string, std::unique_ptr<Wire>> wires_;
  std::deque<server::Arrival> inbox_;
  std::size_t under_way_ = 0;
  bool calm_ = false;
};

}  // namespace steward::detail::simulation
