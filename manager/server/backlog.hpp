// Backlog: frames that have arrived and wait for their turn: a pass of the loop takes in so much
// and no more, and who does not read what it was told is not served before it has.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <steward/manager/server/listener.hpp>

namespace steward::detail::server {

// The frames of each route are in a line of their own, in the order of their arrival, and the
// routes take turns. Thread safety: none; the loop's thread only.
class Backlog {
 public:
  // What a frame takes beside its bytes.
  static constexpr std::size_t kFrameCost = 128;

  bool empty() const { return lines_.empty(); }
  std::size_t routes() const { return lines_.size(); }
  // Of all.
  std::size_t bytes() const { return bytes_; }
  bool has(const std::string& route) const { return by_route_.contains(route); }
  // Of one route: how many frames there are, and what they take.
  std::size_t frames(const std::string& route) const;
  std::size_t bytes(const std::string& route) const;

  // Behind what its route has here.
  void add(Arrival arrival);
  // Before what this route has here.
  void add_in_front(const std::string& route, Peer peer, std::vector<std::string> frames);

  // The first frame of the next route in turn that may be served; nullopt: there is none.
  template <class May>
  std::optional<Arrival> next(May&& may) {
    for (std::size_t left = lines_.size(); left > 0; --left) {
      const Place line = lines_.begin();
      lines_.splice(lines_.end(), lines_, line);
      if (may(std::as_const(line->route))) return first_of(line);
    }
    return std::nullopt;
  }
  // The first frame of this route, out of turn.
  std::optional<Arrival> next_of(const std::string& route);

  void forget(const std::string& route);

 private:
  struct Frame {
    std::string bytes;
    Peer peer;
  };
  struct Line {
    std::string route;
    std::deque<Frame> frames = {};
    std::size_t bytes = 0;
  };
  using Place = std::list<Line>::iterator;

  static std::size_t cost(const Frame& frame) { return frame.bytes.size() + kFrameCost; }

  Line& line_of(const std::string& route);
  Arrival first_of(Place line);

  std::list<Line> lines_;  // none is empty; whose turn is next stands first
  std::unordered_map<std::string, Place> by_route_;
  std::size_t bytes_ = 0;
};

}  // namespace steward::detail::server
