#include <steward/manager/server/backlog.hpp>

namespace steward::detail::server {

std::size_t Backlog::frames(const std::string& route) const {
  const auto found = by_route_.find(route);
  return found == by_route_.end() ? 0 : found->second->frames.size();
}

std::size_t Backlog::bytes(const std::string& route) const {
  const auto found = by_route_.find(route);
  return found == by_route_.end() ? 0 : found->second->bytes;
}

Backlog::Line& Backlog::line_of(const std::string& route) {
  if (const auto found = by_route_.find(route); found != by_route_.end()) return *found->second;
  lines_.push_back({route});
  by_route_.emplace(route, std::prev(lines_.end()));
  return lines_.back();
}

void Backlog::add(Arrival arrival) {
  Line& line = line_of(arrival.route);
  line.frames.push_back({std::move(arrival.frame), arrival.peer});
  line.bytes += cost(line.frames.back());
  bytes_ += cost(line.frames.back());
}

void Backlog::add_in_front(const std::string& route, Peer peer, std::vector<std::string> frames) {
  if (frames.empty()) return;
  Line& line = line_of(route);
  for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
    line.frames.push_front({std::move(*frame), peer});
    line.bytes += cost(line.frames.front());
    bytes_ += cost(line.frames.front());
  }
}

Arrival Backlog::first_of(Place line) {
  const std::size_t bytes = cost(line->frames.front());
  line->bytes -= bytes;
  bytes_ -= bytes;
  Frame first = std::move(line->frames.front());
  line->frames.pop_front();
  Arrival arrival{line->route, std::move(first.bytes), first.peer};
  if (line->frames.empty()) {
    by_route_.erase(line->route);
    lines_.erase(line);
  }
  return arrival;
}

std::optional<Arrival> Backlog::next_of(const std::string& route) {
  const auto found = by_route_.find(route);
  if (found == by_route_.end()) return std::nullopt;
  return first_of(found->second);
}

void Backlog::forget(const std::string& route) {
  const auto found = by_route_.find(route);
  if (found == by_route_.end()) return;
  bytes_ -= found->second->bytes;
  lines_.erase(found->second);
  by_route_.erase(found);
}

}  // namespace steward::detail::server
