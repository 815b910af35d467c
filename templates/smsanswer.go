package templates

// TextAnswer is what somebody gets who wrote STOP, START or HELP: what is
// "stopped", "started" or "help", which names a link. In the language "" it is
// the service's.
func (s *Set) TextAnswer(what, language, link string) string {
	cat, brand := s.Times(language, "").cat, clip(s.brand.Name, brandSize)
	switch what {
	case "stopped":
		return cat.must("sms.answer.stopped", "brand", brand)
	case "started":
		return cat.must("sms.answer.started", "brand", brand)
	}
	return cat.must("sms.answer.help", "brand", brand, "link", link)
}
